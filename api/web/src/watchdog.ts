const LOOK_INTERVAL_MS = 500;

/**
 * Says once that nothing was heard for so long. It goes by two clocks, and the one on which more time passed counts: a
 * machine that sleeps stops the one, and the other may be set back.
 */
export class Watchdog {
  private heardAt = present();
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(silenceMaxMs: number, onSilence: () => void) {
    this.timer = setInterval(() => {
      if (this.silenceMs() < silenceMaxMs) return;
      this.stop();
      onSilence();
    }, LOOK_INTERVAL_MS);
  }

  heard(): void {
    this.heardAt = present();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private silenceMs(): number {
    const now = present();
    return Math.max(now.steadyMs - this.heardAt.steadyMs, now.wallMs - this.heardAt.wallMs);
  }
}

function present(): { steadyMs: number; wallMs: number } {
  return { steadyMs: performance.now(), wallMs: Date.now() };
}

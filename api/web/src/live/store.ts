import { effect, type Signal, signal } from '@preact/signals';

import { askToSignIn, identity, isSignedIn, loadSession, session } from '../session';
import { Fleet } from './fleet';
import { RecentCpu } from './recent';
import { LiveStream, type Loss, STREAM_SILENCE_MAX_MS, type StreamState } from './stream';

/** A fleet that a stream keeps up to date. */
export class LiveFleet {
  readonly fleet = new Fleet();
  /** Counts what the stream said; 0 is nothing yet. Whoever reads it is drawn anew. */
  readonly tick: Signal<number> = signal(0);
  readonly state: Signal<StreamState> = signal('connecting');
  /** Why it is lost, while it is. */
  readonly loss: Signal<Loss | null> = signal(null);
  /** When the hub was heard last, in this browser's time; 0 is never. */
  heardAtMs = 0;
  readonly recent = new RecentCpu(this.fleet, () => this.draw());
  private readonly stream: LiveStream;
  private users = 0;
  /** When the last event came, milliseconds since the page began, and the hub's time in it. */
  private event = { atMs: 0, now: 0 };

  constructor(query: Readonly<Record<string, string>>) {
    this.stream = new LiveStream(query, {
      onSnapshot: (snapshot) => this.hear(() => this.fleet.applySnapshot(snapshot)),
      onChange: (change) => this.hear(() => this.fleet.applyChange(change)),
      onQuiet: () => this.hearNothingNew(),
      onState: (state, loss) => this.turn(state, loss),
    });
  }

  /** Follows the stream until the returned function is called. */
  use(): () => void {
    this.users += 1;
    if (this.users === 1) this.stream.start();
    return () => {
      this.users -= 1;
      if (this.users === 0) {
        this.stream.stop();
        this.recent.see([]);
      }
    };
  }

  /** What somebody else was shown must not stay. */
  reset(): void {
    this.stream.stop();
    this.stream.forget();
    this.fleet.clear();
    this.recent.forget();
    this.tick.value = 0;
    if (this.users > 0) this.stream.start();
  }

  private hear(apply: () => void): void {
    const { gaps } = this.fleet;
    apply();
    if (this.fleet.gaps !== gaps) this.recent.forget();
    this.heardAtMs = Date.now();
    this.event = { atMs: performance.now(), now: this.fleet.now };
    this.tick.value += 1;
  }

  /** Time goes on in a fleet in which nothing changes. */
  private hearNothingNew(): void {
    this.heardAtMs = Date.now();
    if (this.tick.peek() === 0) return;
    const passedS = Math.floor((performance.now() - this.event.atMs) / 1000);
    this.fleet.passQuietly(this.event.now + passedS);
    this.draw();
  }

  private turn(state: StreamState, loss: Loss | null): void {
    this.state.value = state;
    this.loss.value = loss;
    // Who comes back to a page sees it as it was, unless that is long ago.
    const isFresh = Date.now() - this.heardAtMs <= STREAM_SILENCE_MAX_MS;
    const isCurrent = state === 'open' || (state === 'connecting' && isFresh);
    if (this.fleet.isCurrent !== isCurrent) {
      this.fleet.isCurrent = isCurrent;
      this.draw();
    }
    if (state === 'lost') void this.lookWhetherStillAllowed();
  }

  private draw(): void {
    if (this.tick.peek() > 0) this.tick.value += 1;
  }

  /** A stream ends along with the session that opened it. */
  private async lookWhetherStillAllowed(): Promise<void> {
    const wasSignedIn = isSignedIn.peek();
    try {
      await loadSession();
    } catch {
      return;
    }
    if (wasSignedIn && session.peek()?.user == null) askToSignIn('expired');
  }
}

/** All servers that this browser may see; kept between pages, so that coming back shows them at once. */
export const everyServer = new LiveFleet({});

export function startLive(): void {
  let shownTo = identity.peek();
  effect(() => {
    if (identity.value === shownTo) return;
    shownTo = identity.value;
    everyServer.reset();
  });
}

import { ApiError } from '../api';
import { loadRecentCpu, type Series } from '../history/series';
import { type Fleet, HISTORY_TICKS } from './fleet';

/** Servers that one question to the hub names. */
export const ASKED_AT_ONCE_MAX = 100;
/** Servers that are remembered as asked about. */
const ASKED_MAX = 50_000;
/** Seconds asked for: what is shown, and before it a report that may still hold. */
const ASKED_S = HISTORY_TICKS + 30;
/** Time that servers are in sight before they are asked about: who scrolls through thousands looks at few. */
const REST_MS = 250;
/** Time until a question that failed is asked again. */
const RETRY_MS = 10_000;

type Load = (ids: readonly number[], seconds: number, signal: AbortSignal) => Promise<Series[]>;

/**
 * The minute of CPU before the page was opened, out of the hub's history: of the servers in sight, each once, and one
 * question at a time.
 */
export class RecentCpu {
  private inSight: readonly number[] = [];
  private readonly asked = new Set<number>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private aborter: AbortController | null = null;

  constructor(
    private readonly fleet: Fleet,
    private readonly onFilled: () => void,
    private readonly load: Load = loadRecentCpu,
  ) {}

  /** These are in sight, and no others any more. */
  see(ids: readonly number[]): void {
    this.inSight = ids;
    this.askIn(REST_MS);
  }

  /** Nothing was heard for a while: everything in sight lacks it. */
  forget(): void {
    this.asked.clear();
    this.aborter?.abort();
    this.aborter = null;
    this.askIn(REST_MS);
  }

  private askIn(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), delayMs);
  }

  private async ask(): Promise<void> {
    if (this.aborter) return;
    if (document.hidden) return this.askIn(RETRY_MS);
    const ids = this.inSight.filter((id) => !this.asked.has(id)).slice(0, ASKED_AT_ONCE_MAX);
    if (ids.length === 0) return;
    const aborter = new AbortController();
    this.aborter = aborter;
    const again = await this.fill(ids, aborter.signal);
    if (this.aborter !== aborter) return;
    this.aborter = null;
    if (again !== null) this.askIn(again);
  }

  /** Milliseconds until there is more to ask; `null` when there is no use. */
  private async fill(ids: readonly number[], signal: AbortSignal): Promise<number | null> {
    try {
      for (const { id, times, values } of await this.load(ids, ASKED_S, signal)) {
        if (id !== undefined) this.fleet.recallCpu(id, times, values);
      }
    } catch (error) {
      // Who may not ask may not later either; the hub is busy, or away, for a while.
      const isRefused = error instanceof ApiError && error.code >= 400 && error.code < 429;
      return isRefused ? null : RETRY_MS;
    }
    if (this.asked.size > ASKED_MAX) this.asked.clear();
    for (const id of ids) this.asked.add(id);
    this.onFilled();
    return 0;
  }
}

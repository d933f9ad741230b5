import type { Change, Snapshot } from './fleet';

export type StreamState = 'connecting' | 'open' | 'lost';

export interface StreamHandlers {
  onSnapshot(snapshot: Snapshot): void;
  onChange(change: Change): void;
  onState(state: StreamState): void;
}

const RETRY_FIRST_MS = 1000;
const RETRY_MAX_MS = 10_000;

/**
 * The hub's live stream for as long as somebody looks: closed while the tab is hidden, and continued where it ended.
 * Reconnecting is done here and not by the EventSource, which gives up for good when a proxy answers with an error.
 */
export class LiveStream {
  private source: EventSource | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private retryMs = RETRY_FIRST_MS;
  private lastEventId = '';
  private isStarted = false;

  constructor(
    private readonly query: Readonly<Record<string, string>>,
    private readonly handlers: StreamHandlers,
  ) {}

  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    document.addEventListener('visibilitychange', this.followVisibility);
    addEventListener('online', this.retryNow);
    this.handlers.onState('connecting');
    this.followVisibility();
  }

  stop(): void {
    this.isStarted = false;
    document.removeEventListener('visibilitychange', this.followVisibility);
    removeEventListener('online', this.retryNow);
    this.close();
  }

  /** The next start begins with a snapshot. */
  forget(): void {
    this.lastEventId = '';
  }

  private readonly followVisibility = (): void => {
    if (document.hidden) this.close();
    else this.retryNow();
  };

  private readonly retryNow = (): void => {
    if (this.source || document.hidden) return;
    clearTimeout(this.retryTimer);
    this.open();
  };

  private open(): void {
    const query = new URLSearchParams(this.query);
    if (this.lastEventId !== '') query.set('last_event_id', this.lastEventId);
    const source = new EventSource(`/api/v1/server/stream?${query}`);
    source.addEventListener('open', () => {
      this.retryMs = RETRY_FIRST_MS;
      this.handlers.onState('open');
    });
    source.addEventListener('snapshot', (event: MessageEvent<string>) => {
      this.lastEventId = event.lastEventId;
      this.handlers.onSnapshot(JSON.parse(event.data) as Snapshot);
    });
    source.addEventListener('change', (event: MessageEvent<string>) => {
      this.lastEventId = event.lastEventId;
      this.handlers.onChange(JSON.parse(event.data) as Change);
    });
    source.addEventListener('error', () => {
      this.close();
      this.handlers.onState('lost');
      // A fleet of open panels must not come back in the same moment.
      this.retryTimer = setTimeout(this.retryNow, this.retryMs * (0.75 + Math.random() / 2));
      this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS);
    });
    this.source = source;
  }

  private close(): void {
    clearTimeout(this.retryTimer);
    this.source?.close();
    this.source = null;
  }
}

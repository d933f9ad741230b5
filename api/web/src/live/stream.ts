import { hrefOf } from '../root';
import { Watchdog } from '../watchdog';
import { EventReader, type StreamEvent } from './events';
import type { Change, Snapshot } from './fleet';

/** `open` only while something comes: answered is not yet heard. */
export type StreamState = 'connecting' | 'open' | 'lost';

/**
 * Why a stream is lost: there is no way to the hub, or it ended; it fell silent; it was answered and nothing followed, as
 * behind a proxy that holds back what it is given; or it was refused, with a message.
 */
export type Loss = 'ended' | 'silent' | 'held' | { refused: string };

export interface StreamHandlers {
  onSnapshot(snapshot: Snapshot): void;
  onChange(change: Change): void;
  /** The hub is there, and nothing changed. */
  onQuiet(): void;
  onState(state: StreamState, loss: Loss | null): void;
}

const RETRY_FIRST_MS = 1000;
const RETRY_MAX_MS = 10_000;
/** Silence after which a stream is given up: the hub says something every 5 s, changes or not. */
export const STREAM_SILENCE_MAX_MS = 12_000;

/**
 * The hub's live stream for as long as somebody looks: closed while the tab is hidden, and continued where it ended. It is
 * read by hand because an EventSource tells neither a silent connection from a quiet fleet nor a refusal from a lost hub,
 * and gives up for good when a proxy answers with an error.
 */
export class LiveStream {
  private connection: AbortController | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private retryMs = RETRY_FIRST_MS;
  private lastEventId = '';
  private isStarted = false;
  private isLost = false;

  constructor(
    private readonly query: Readonly<Record<string, string>>,
    private readonly handlers: StreamHandlers,
  ) {}

  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    this.isLost = false;
    document.addEventListener('visibilitychange', this.followVisibility);
    addEventListener('online', this.retryNow);
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
    if (this.connection || document.hidden) return;
    clearTimeout(this.retryTimer);
    // What was lost stays lost until something comes.
    if (!this.isLost) this.handlers.onState('connecting', null);
    const connection = new AbortController();
    this.connection = connection;
    void this.follow(connection).then((loss) => {
      if (this.connection === connection) this.lose(loss);
    });
  };

  /** Hands on what comes until nothing comes any more. */
  private async follow(connection: AbortController): Promise<Loss> {
    let loss: Loss = 'ended';
    let isAnswered = false;
    let isHeard = false;
    const watchdog = new Watchdog(STREAM_SILENCE_MAX_MS, () => {
      loss = isAnswered && !isHeard ? 'held' : 'silent';
      connection.abort();
    });
    try {
      const answer = await this.ask(connection.signal);
      if (!answer.ok || !answer.body) return { refused: await refusalOf(answer) };
      isAnswered = true;
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      const events = new EventReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.connection !== connection) return loss;
        watchdog.heard();
        if (!isHeard) this.open();
        isHeard = true;
        const heard = events.read(decoder.decode(value, { stream: true }));
        if (heard.length === 0 && events.isBetween) this.handlers.onQuiet();
        this.hear(heard);
      }
    } catch {
      return loss;
    } finally {
      watchdog.stop();
      connection.abort();
    }
  }

  private ask(signal: AbortSignal): Promise<Response> {
    const query = new URLSearchParams(this.query);
    if (this.lastEventId !== '') query.set('last_event_id', this.lastEventId);
    const headers = { Accept: 'text/event-stream' };
    return fetch(hrefOf(`/api/v1/server/stream?${query}`), {
      headers,
      signal,
      cache: 'no-store',
      credentials: 'same-origin',
    });
  }

  private open(): void {
    this.retryMs = RETRY_FIRST_MS;
    this.isLost = false;
    this.handlers.onState('open', null);
  }

  private hear(events: StreamEvent[]): void {
    for (const { name, id, data } of events) {
      // Should it fail below, the next connection begins anew.
      this.lastEventId = '';
      if (name === 'snapshot') this.handlers.onSnapshot(JSON.parse(data) as Snapshot);
      else if (name === 'change') this.handlers.onChange(JSON.parse(data) as Change);
      this.lastEventId = id;
    }
  }

  private lose(loss: Loss): void {
    this.close();
    this.isLost = true;
    this.handlers.onState('lost', loss);
    // A fleet of open panels must not come back in the same moment.
    this.retryTimer = setTimeout(this.retryNow, this.retryMs * (0.75 + Math.random() / 2));
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS);
  }

  private close(): void {
    clearTimeout(this.retryTimer);
    const { connection } = this;
    this.connection = null;
    connection?.abort();
  }
}

/** What the hub says of why; of another's page the status alone. */
async function refusalOf(answer: Response): Promise<string> {
  try {
    const { message } = (await answer.json()) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // Not the hub's.
  }
  return `HTTP ${answer.status}`;
}

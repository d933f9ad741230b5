import { effect, type Signal, signal } from '@preact/signals';

import { askToSignIn, identity, isSignedIn, loadSession, session } from '../session';
import { Fleet } from './fleet';
import { LiveStream, type StreamState } from './stream';

/** A fleet that a stream keeps up to date. */
export class LiveFleet {
  readonly fleet = new Fleet();
  /** Counts what the stream said; 0 is nothing yet. Whoever reads it is drawn anew. */
  readonly tick: Signal<number> = signal(0);
  readonly state: Signal<StreamState> = signal('connecting');
  private readonly stream: LiveStream;
  private users = 0;

  constructor(query: Readonly<Record<string, string>>) {
    this.stream = new LiveStream(query, {
      onSnapshot: (snapshot) => {
        this.fleet.applySnapshot(snapshot);
        this.tick.value += 1;
      },
      onChange: (change) => {
        this.fleet.applyChange(change);
        this.tick.value += 1;
      },
      onState: (state) => {
        this.state.value = state;
        if (state === 'lost') void this.lookWhetherStillAllowed();
      },
    });
  }

  /** Follows the stream until the returned function is called. */
  use(): () => void {
    this.users += 1;
    if (this.users === 1) this.stream.start();
    return () => {
      this.users -= 1;
      if (this.users === 0) this.stream.stop();
    };
  }

  /** What somebody else was shown must not stay. */
  reset(): void {
    this.stream.stop();
    this.stream.forget();
    this.fleet.clear();
    this.tick.value = 0;
    if (this.users > 0) this.stream.start();
  }

  /** An EventSource does not tell a refusal from a lost connection. */
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

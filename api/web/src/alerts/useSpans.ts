import { useEffect, useState } from 'preact/hooks';

import { call } from '../api';
import { isSignedIn } from '../session';
import { type AlertEvent, type AlertSpan, spansOf } from './alert';

const EVENTS_MAX = 1000;
const NONE: readonly AlertSpan[] = [];

/** When alerts of a server fired from `from` to `to`, in Unix seconds; loaded anew whenever these are others. */
export function useSpans(server: number, from: number | null, to: number | null): readonly AlertSpan[] {
  const [spans, setSpans] = useState<readonly AlertSpan[]>(NONE);
  const asks = isSignedIn.value;
  useEffect(() => {
    if (!asks || from === null || to === null) {
      setSpans(NONE);
      return;
    }
    const aborter = new AbortController();
    const query = new URLSearchParams({
      id: String(server),
      from: String(from),
      to: String(to),
      limit: String(EVENTS_MAX),
    });
    // A chart is worth having without its marks; that the hub does not answer is said by the charts.
    call<AlertEvent[]>('GET', `/alert/log?${query}`, { signal: aborter.signal })
      .then((events) => setSpans(spansOf(events, from)))
      .catch(() => undefined);
    return () => aborter.abort();
  }, [server, from, to, asks]);
  return spans;
}

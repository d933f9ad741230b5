import { useCallback, useState } from 'preact/hooks';

import { errorText } from '../errors';
import { usePolling } from './usePolling';

export interface Resource<T> {
  /** `null` until it is loaded. */
  data: T | null;
  error: string | null;
  reload: () => Promise<void>;
}

/** What the hub has, loaded when the page opens and again on demand; with an interval, also by itself. */
export function useResource<T>(load: () => Promise<T>, intervalMs?: number): Resource<T> {
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  const reload = useCallback(async () => {
    try {
      setData(await load());
      setError(null);
    } catch (failure) {
      setError(errorText(failure));
    }
  }, []);
  usePolling(reload, intervalMs);
  return { data, error, reload };
}

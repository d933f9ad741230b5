import { useCallback, useEffect, useState } from 'preact/hooks';

import { errorText } from '../errors';

export interface Resource<T> {
  /** `null` until it is loaded. */
  data: T | null;
  error: string | null;
  reload: () => Promise<void>;
}

/** What the hub has, loaded when the page opens and again on demand. */
export function useResource<T>(load: () => Promise<T>): Resource<T> {
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
  useEffect(() => void reload(), []);
  return { data, error, reload };
}

import { useEffect } from 'preact/hooks';

/**
 * Asks at once, and again and again while the page is seen, as long as `isWanted`. Without an interval it asks once. `ask`
 * is that of the first time.
 */
export function usePolling(ask: () => Promise<void>, intervalMs: number | undefined, isWanted = true): void {
  useEffect(() => {
    if (!isWanted) return;
    let isAsking = false;
    const askNow = async (): Promise<void> => {
      isAsking = true;
      await ask();
      isAsking = false;
    };
    const askAgain = (): void => {
      // A hub that is slow to answer is not asked once more meanwhile.
      if (!document.hidden && !isAsking) void askNow();
    };
    void askNow();
    if (intervalMs === undefined) return;
    const timer = setInterval(askAgain, intervalMs);
    document.addEventListener('visibilitychange', askAgain);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', askAgain);
    };
  }, [isWanted]);
}

import { useLayoutEffect, useState } from 'preact/hooks';

export interface Range {
  first: number;
  /** Behind the last. */
  end: number;
}

/** Rows above and below what is seen, so that scrolling does not run into nothing. */
const SPARE_ROWS = 4;

/** Which rows of fixed height are seen while the page scrolls over `list`. */
export function useWindow(list: { readonly current: HTMLElement | null }, count: number, rowHeight: number): Range {
  const [range, setRange] = useState<Range>({ first: 0, end: Math.min(count, 30) });

  useLayoutEffect(() => {
    const measure = (): void => {
      if (!list.current) return;
      const above = -list.current.getBoundingClientRect().top;
      // Always as many, so that a row that leaves is used again for the one that comes.
      const rows = Math.ceil(innerHeight / rowHeight) + 1 + 2 * SPARE_ROWS;
      const first = Math.max(0, Math.min(Math.floor(above / rowHeight) - SPARE_ROWS, count - rows));
      const next = { first, end: Math.min(count, first + rows) };
      setRange((last) => (last.first === next.first && last.end === next.end ? last : next));
    };
    measure();
    addEventListener('scroll', measure, { passive: true });
    addEventListener('resize', measure);
    return () => {
      removeEventListener('scroll', measure);
      removeEventListener('resize', measure);
    };
  }, [list, count, rowHeight]);

  return { first: Math.min(range.first, count), end: Math.min(range.end, count) };
}

import { useLayoutEffect, useState } from 'preact/hooks';

export interface Range {
  first: number;
  /** Behind the last. */
  end: number;
}

/** Rows above and below what is seen, so that scrolling does not run into nothing. */
const SPARE_ROWS = 6;

/** Which rows of fixed height are seen while the page scrolls over `list`. */
export function useWindow(list: { readonly current: HTMLElement | null }, count: number, rowHeight: number): Range {
  const [range, setRange] = useState<Range>({ first: 0, end: Math.min(count, 30) });

  useLayoutEffect(() => {
    const measure = (): void => {
      if (!list.current) return;
      const above = -list.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(above / rowHeight) - SPARE_ROWS);
      const end = Math.min(count, Math.max(0, Math.ceil((above + innerHeight) / rowHeight)) + SPARE_ROWS);
      const next = { first: Math.min(first, end), end };
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

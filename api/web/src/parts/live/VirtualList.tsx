import { type ComponentType, createElement, type JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { languageTag } from '../../i18n';
import type { LiveFleet } from '../../live/store';
import type { ItemProps } from './Item';
import { useWindow } from './useWindow';

/** What table and cards get. */
export interface LiveListProps {
  live: LiveFleet;
  order: Uint32Array;
  /** Another number whenever the values changed. */
  tick: number;
}

interface VirtualListProps extends LiveListProps {
  item: ComponentType<ItemProps>;
  /** Of a row of items with the gap below it, in pixels; as in live.css. */
  rowHeight: number;
  /** In pixels: as many items of at least this width are in a row as fit. Without it an item fills its row. */
  itemWidthMin?: number;
  hasSparklines: boolean;
  /** The element around the items, and what it is for the reader. */
  container: 'div' | 'ul';
  attributes: { class: string; role: 'rowgroup' | 'list'; 'aria-label'?: string };
}

/** The servers in their order. Only the items in sight exist; the page scrolls. */
export function VirtualList(props: VirtualListProps): JSX.Element {
  const { live, order, tick, item: Item, rowHeight, itemWidthMin, hasSparklines } = props;
  const list = useRef<HTMLElement>(null);
  const perRow = useItemsPerRow(list, itemWidthMin);
  const rows = Math.ceil(order.length / perRow);
  const { first, end } = useWindow(list, rows, rowHeight);
  const start = first * perRow;
  const count = Math.max(0, Math.min(end * perRow, order.length) - start);
  useInSight(live, hasSparklines ? order.subarray(start, start + count) : NO_ROWS);
  const items = Array.from({ length: count }, (_, offset) => (
    <Item
      // Scrolling by a row fills the one that left with the one that came.
      key={(start + offset) % count}
      fleet={live.fleet}
      row={order[start + offset] ?? 0}
      place={start + offset}
      perRow={perRow}
      count={order.length}
      tick={tick}
      language={languageTag.value}
    />
  ));
  return createElement(
    props.container,
    { ...props.attributes, ref: list, style: { height: `${rows * rowHeight}px` } },
    items,
  );
}

const NO_ROWS = new Uint32Array(0);

/** Has the CPU of the minute before filled in for the servers of these rows. */
function useInSight({ fleet, recent }: LiveFleet, rows: Uint32Array): void {
  const ids = Array.from(rows, (row) => fleet.factsAt(row).id);
  useEffect(() => recent.see(ids), [recent, ids.join()]);
}

function useItemsPerRow(list: { readonly current: HTMLElement | null }, itemWidthMin: number | undefined): number {
  const [perRow, setPerRow] = useState(1);
  useLayoutEffect(() => {
    const element = list.current;
    if (!element || itemWidthMin === undefined) return;
    const observer = new ResizeObserver(() => {
      setPerRow(Math.max(1, Math.floor(element.clientWidth / itemWidthMin)));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [list, itemWidthMin]);
  return perRow;
}

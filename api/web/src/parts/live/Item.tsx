import { Component } from 'preact';

import type { Shown } from '../../live/fleet';

export interface ItemProps extends Shown {
  /** Position in the order. */
  place: number;
  /** How many items there are side by side. */
  perRow: number;
  /** How many items the whole list has. */
  count: number;
  language: string;
}

/** One server of the list. It is drawn again only when it shows another server or something changed. */
export abstract class Item extends Component<ItemProps> {
  override shouldComponentUpdate(next: ItemProps): boolean {
    const now = this.props;
    return (Object.keys(next) as (keyof ItemProps)[]).some((name) => now[name] !== next[name]);
  }
}

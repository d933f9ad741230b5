import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

import { bytes, bytesPerSecond, decimal } from '../../format';
import { languageTag, messages } from '../../i18n';
import type { Fleet, Shown } from '../../live/fleet';
import { hrefOf } from '../../root';
import { Bar } from '../Bar';
import { Chip } from '../Chip';
import {
  HiddenMark,
  lastReportText,
  LiveItem,
  type LiveItemProps,
  type LiveListProps,
  StateDot,
  uptimeText,
  useInSight,
} from './LiveTable';
import { Sparkline } from '../Sparkline';
import { useWindow } from './useWindow';

/** With the gap; as in live.css. */
const CARD_HEIGHT = 192;
const CARD_WIDTH_MIN = 280;

/** Cards in rows, of which only those in sight exist. */
export function LiveCards({ live, order, tick }: LiveListProps): JSX.Element {
  const { fleet } = live;
  const list = useRef<HTMLUListElement>(null);
  const perRow = useCardsPerRow(list);
  const { first, end } = useWindow(list, Math.ceil(order.length / perRow), CARD_HEIGHT);
  const start = first * perRow;
  const count = Math.max(0, Math.min(end * perRow, order.length) - start);
  const places = Array.from({ length: count }, (_, offset) => start + offset);
  useInSight(live, order.subarray(start, start + count));
  return (
    <ul
      class="cards"
      // biome-ignore lint/a11y/noRedundantRoles: Safari takes a list without bullets for no list
      role="list"
      ref={list}
      aria-label={messages.value.live.servers}
      style={{ height: `${Math.ceil(order.length / perRow) * CARD_HEIGHT}px` }}
    >
      {places.map((place) => (
        <Card
          key={place % places.length}
          fleet={fleet}
          row={order[place] ?? 0}
          place={place}
          tick={tick}
          language={languageTag.value}
          perRow={perRow}
          count={order.length}
        />
      ))}
    </ul>
  );
}

function useCardsPerRow(list: { readonly current: HTMLElement | null }): number {
  const [perRow, setPerRow] = useState(1);
  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      setPerRow(Math.max(1, Math.floor(element.clientWidth / CARD_WIDTH_MIN)));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return perRow;
}

interface CardProps extends LiveItemProps {
  perRow: number;
  count: number;
}

class Card extends LiveItem<CardProps> {
  override render({ fleet, row, tick, place, perRow, count }: CardProps): JSX.Element {
    const facts = fleet.factsAt(row);
    const isOnline = fleet.isOnline(row);
    const column = place % perRow;
    const line = Math.floor(place / perRow);
    const platform = `${facts.platform} ${facts.platformVersion}`.trim();
    const system = [facts.country.toUpperCase(), platform].filter((part) => part !== '').join(' · ');
    return (
      <li
        class={isOnline ? 'card' : 'card offline'}
        aria-posinset={place + 1}
        aria-setsize={count}
        style={{
          width: `${100 / perRow}%`,
          transform: `translate(${column * 100}%, ${line * CARD_HEIGHT}px)`,
        }}
      >
        <div class="card-inside">
          <div class="card-head">
            <StateDot {...{ fleet, row, tick }} />
            <a href={hrefOf(`/server/${facts.id}`)} title={facts.name}>
              {facts.name}
            </a>
            {facts.isHidden && <HiddenMark />}
            <Chip text={facts.tag} />
          </div>
          <div class="card-system">
            <span class="cut" title={system}>
              {system}
            </span>
            {isOnline && <span class="card-uptime">{uptimeText(fleet, row)}</span>}
          </div>
          {isOnline ? (
            <CardNumbers {...{ fleet, row, tick }} />
          ) : (
            <p class="last-report">{lastReportText(fleet, row)}</p>
          )}
        </div>
      </li>
    );
  }
}

function CardNumbers({ fleet, row, tick }: Shown): JSX.Element {
  const text = messages.value.live.columns;
  const value = (field: Parameters<Fleet['value']>[1]): number => fleet.value(row, field);
  return (
    <>
      <div class="card-bars">
        <span>{text.cpu}</span>
        <Bar value={value('cpu')} />
        <Sparkline {...{ fleet, row, tick }} />
        <span>{text.mem}</span>
        <Bar value={value('mem')} />
        <span class="card-side">
          {text.load1} {decimal(value('load1'), 1)}
        </span>
        <span>{text.disk}</span>
        <Bar value={value('disk')} />
        <span />
      </div>
      <div class="card-net">
        <span>↓ {bytesPerSecond(value('net_in_speed'))}</span>
        <span class="card-transfer">↓ {bytes(value('net_in_transfer'))}</span>
        <span>↑ {bytesPerSecond(value('net_out_speed'))}</span>
        <span class="card-transfer">↑ {bytes(value('net_out_transfer'))}</span>
      </div>
    </>
  );
}

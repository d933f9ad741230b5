import { Component, type JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { ago, bytes, bytesPerSecond, decimal, duration, NOTHING } from '../../format';
import { languageTag, messages } from '../../i18n';
import { type Fleet, NEVER, type Shown } from '../../live/fleet';
import type { SortKey } from '../../live/order';
import type { LiveFleet } from '../../live/store';
import { sort, sortBy } from '../../live/view';
import { hrefOf } from '../../root';
import { Bar } from '../Bar';
import { Sparkline } from '../Sparkline';
import { useMedia } from '../useMedia';
import { useWindow } from './useWindow';

/** As in live.css. */
const ROW_HEIGHT = 40;
const HAS_SPARKLINES = '(min-width: 940.01px)';

export interface LiveListProps {
  live: LiveFleet;
  order: Uint32Array;
  /** Another number whenever the values changed. */
  tick: number;
}

const COLUMNS: readonly SortKey[] = [
  'name',
  'tag',
  'country',
  'platform',
  'uptime',
  'cpu',
  'mem',
  'disk',
  'net_in_speed',
  'net_out_speed',
  'load1',
  'net_in_transfer',
  'net_out_transfer',
];

/** A table of which only the rows in sight exist. */
export function LiveTable({ live, order, tick }: LiveListProps): JSX.Element {
  const { fleet } = live;
  const body = useRef<HTMLDivElement>(null);
  const { first, end } = useWindow(body, order.length, ROW_HEIGHT);
  const places = Array.from({ length: end - first }, (_, offset) => first + offset);
  const hasSparklines = useMedia(HAS_SPARKLINES);
  useInSight(live, hasSparklines ? order.subarray(first, end) : NO_ROWS);
  return (
    <div class="live-table" role="table" aria-label={messages.value.live.servers} aria-rowcount={order.length + 1}>
      <div class="live-head" role="rowgroup">
        <div class="live-row" role="row" aria-rowindex={1}>
          {COLUMNS.map((key) => (
            <HeadCell key={key} column={key} />
          ))}
        </div>
      </div>
      <div class="live-body" role="rowgroup" ref={body} style={{ height: `${order.length * ROW_HEIGHT}px` }}>
        {places.map((place) => (
          // Scrolling by a row fills the one that left with the one that came.
          <LiveRow
            key={place % places.length}
            fleet={fleet}
            row={order[place] ?? 0}
            place={place}
            tick={tick}
            language={languageTag.value}
          />
        ))}
      </div>
    </div>
  );
}

const NO_ROWS = new Uint32Array(0);

/** Has the CPU of the minute before filled in for the servers of these rows. */
export function useInSight({ fleet, recent }: LiveFleet, rows: Uint32Array): void {
  const ids = Array.from(rows, (row) => fleet.factsAt(row).id);
  useEffect(() => recent.see(ids), [recent, ids.join()]);
}

function HeadCell({ column }: { column: SortKey }): JSX.Element {
  const text = messages.value.live;
  const { key, isDescending } = sort.value;
  const direction = isDescending ? 'descending' : 'ascending';
  const isSorted = key === column;
  const label = text.columns[column];
  return (
    <div class={`cell ${column}`} role="columnheader" aria-sort={isSorted ? direction : 'none'}>
      <button type="button" onClick={() => sortBy(column)} title={label}>
        {column === 'country' ? <abbr title={label}>{text.countryShort}</abbr> : label}
        <span class="sort-mark" aria-hidden="true">
          {isSorted ? (isDescending ? '▾' : '▴') : ''}
        </span>
      </button>
    </div>
  );
}

export interface LiveItemProps extends Shown {
  /** Position in the order. */
  place: number;
  language: string;
}

/** Draws itself anew only when it shows another server or something changed. */
export abstract class LiveItem<P extends LiveItemProps = LiveItemProps> extends Component<P> {
  override shouldComponentUpdate(next: P): boolean {
    const now = this.props;
    return (Object.keys(next) as (keyof P)[]).some((name) => now[name] !== next[name]);
  }
}

class LiveRow extends LiveItem {
  override render({ fleet, row, place, tick }: LiveItemProps): JSX.Element {
    const facts = fleet.factsAt(row);
    const isOnline = fleet.isOnline(row);
    return (
      <div
        class={isOnline ? 'live-row' : 'live-row offline'}
        role="row"
        aria-rowindex={place + 2}
        style={{ transform: `translateY(${place * ROW_HEIGHT}px)` }}
      >
        <div class="cell name" role="cell">
          <StateDot {...{ fleet, row, tick }} />
          <a href={hrefOf(`/server/${facts.id}`)} title={facts.name}>
            {facts.name}
          </a>
          {facts.isHidden && <HiddenMark />}
        </div>
        <div class="cell tag" role="cell" title={facts.tag}>
          {facts.tag}
        </div>
        <div class="cell country" role="cell" title={facts.country.toUpperCase()}>
          {facts.country.toUpperCase()}
        </div>
        <div class="cell platform" role="cell" title={`${facts.platform} ${facts.platformVersion} ${facts.arch}`}>
          {`${facts.platform} ${facts.platformVersion}`}
        </div>
        {isOnline ? <OnlineCells {...{ fleet, row, tick }} /> : <OfflineCells {...{ fleet, row, tick }} />}
      </div>
    );
  }
}

function OnlineCells({ fleet, row, tick }: Shown): JSX.Element {
  return (
    <>
      <div class="cell uptime" role="cell">
        {uptimeText(fleet, row)}
      </div>
      <div class="cell cpu" role="cell">
        <Bar value={fleet.value(row, 'cpu')} />
        <Sparkline {...{ fleet, row, tick }} />
      </div>
      <div class="cell mem" role="cell">
        <Bar value={fleet.value(row, 'mem')} />
      </div>
      <div class="cell disk" role="cell">
        <Bar value={fleet.value(row, 'disk')} />
      </div>
      <div class="cell net_in_speed" role="cell">
        {bytesPerSecond(fleet.value(row, 'net_in_speed'))}
      </div>
      <div class="cell net_out_speed" role="cell">
        {bytesPerSecond(fleet.value(row, 'net_out_speed'))}
      </div>
      <div class="cell load1" role="cell">
        {decimal(fleet.value(row, 'load1'), 1)}
      </div>
      <div class="cell net_in_transfer" role="cell">
        {bytes(fleet.value(row, 'net_in_transfer'))}
      </div>
      <div class="cell net_out_transfer" role="cell">
        {bytes(fleet.value(row, 'net_out_transfer'))}
      </div>
    </>
  );
}

/** The first of them says since when, over the room of the others. */
function OfflineCells({ fleet, row }: Shown): JSX.Element {
  return (
    <>
      <div class="cell uptime" role="cell" />
      <div class="cell cpu last-report" role="cell" title={lastReportText(fleet, row)}>
        {lastReportText(fleet, row)}
      </div>
      {COLUMNS.slice(COLUMNS.indexOf('mem')).map((column) => (
        <div key={column} class={`cell ${column}`} role="cell" />
      ))}
    </>
  );
}

/** Whether a server is online; without the hub nobody knows. */
export function StateDot({ fleet, row }: Shown): JSX.Element {
  const text = messages.value.live;
  const state = fleet.isCurrent ? (fleet.isOnline(row) ? 'online' : 'offline') : 'stateUnknown';
  return <span class={`dot ${state}`} role="img" aria-label={text[state]} title={text[state]} />;
}

export function HiddenMark(): JSX.Element {
  const label = messages.value.live.hidden;
  return <span class="hidden-mark" role="img" aria-label={label} title={label} />;
}

export function uptimeText(fleet: Fleet, row: number): string {
  const { bootTime } = fleet.factsAt(row);
  return bootTime > 0 ? duration(fleet.now - bootTime) : NOTHING;
}

export function lastReportText(fleet: Fleet, row: number): string {
  const text = messages.value.live;
  const active = fleet.value(row, 'active');
  return active === NEVER ? text.neverReported : text.lastReport(ago(fleet.now - active, languageTag.value));
}

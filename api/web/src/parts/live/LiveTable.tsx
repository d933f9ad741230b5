import type { JSX } from 'preact';

import { bytes, bytesPerSecond, decimal } from '../../format';
import { messages } from '../../i18n';
import type { Shown } from '../../live/fleet';
import type { SortKey } from '../../live/order';
import { sort, sortBy } from '../../live/view';
import { hrefOf } from '../../root';
import { Bar } from '../Bar';
import { Sparkline } from '../Sparkline';
import { useMedia } from '../useMedia';
import { Item, type ItemProps } from './Item';
import { HiddenMark, StateDot } from './marks';
import { lastReportText, uptimeText } from './texts';
import { type LiveListProps, VirtualList } from './VirtualList';

/** As in live.css. */
const ROW_HEIGHT = 40;
const HAS_SPARKLINES = '(min-width: 940.01px)';

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

/** One server a row. */
export function LiveTable(props: LiveListProps): JSX.Element {
  const hasSparklines = useMedia(HAS_SPARKLINES);
  return (
    <div
      class="live-table"
      role="table"
      aria-label={messages.value.live.servers}
      aria-rowcount={props.order.length + 1}
    >
      <div class="live-head" role="rowgroup">
        <div class="live-row" role="row" aria-rowindex={1}>
          {COLUMNS.map((key) => (
            <HeadCell key={key} column={key} />
          ))}
        </div>
      </div>
      <VirtualList
        {...props}
        item={LiveRow}
        rowHeight={ROW_HEIGHT}
        hasSparklines={hasSparklines}
        container="div"
        attributes={{ class: 'live-body', role: 'rowgroup' }}
      />
    </div>
  );
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

class LiveRow extends Item {
  override render({ fleet, row, place, tick }: ItemProps): JSX.Element {
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

import type { JSX } from 'preact';

import { bytes, bytesPerSecond, decimal } from '../../format';
import { messages } from '../../i18n';
import type { Fleet, Shown } from '../../live/fleet';
import { hrefOf } from '../../root';
import { Bar } from '../Bar';
import { Chip } from '../Chip';
import { Sparkline } from '../Sparkline';
import { Item, type ItemProps } from './Item';
import { HiddenMark, StateDot } from './marks';
import { lastReportText, uptimeText } from './texts';
import { type LiveListProps, VirtualList } from './VirtualList';

/** With the gap; as in live.css. */
const CARD_HEIGHT = 192;
const CARD_WIDTH_MIN = 280;

/** Cards in rows, as many side by side as fit. */
export function LiveCards(props: LiveListProps): JSX.Element {
  return (
    <VirtualList
      {...props}
      item={Card}
      rowHeight={CARD_HEIGHT}
      itemWidthMin={CARD_WIDTH_MIN}
      hasSparklines
      container="ul"
      // Safari takes a list without bullets for no list, unless it has the role.
      attributes={{ class: 'cards', role: 'list', 'aria-label': messages.value.live.servers }}
    />
  );
}

class Card extends Item {
  override render({ fleet, row, tick, place, perRow, count }: ItemProps): JSX.Element {
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

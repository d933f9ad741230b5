import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { messages } from '../i18n';
import type { Fleet } from '../live/fleet';
import { orderOf, orderVersion } from '../live/order';
import { everyServer } from '../live/store';
import { chosenView, filter, sort } from '../live/view';
import { ConnectionBanner } from '../parts/ConnectionBanner';
import { LiveCards } from '../parts/live/LiveCards';
import { LiveFilters } from '../parts/live/LiveFilters';
import { LiveTable } from '../parts/live/LiveTable';
import { LiveTotals } from '../parts/live/LiveTotals';
import { PHONE, useMedia } from '../parts/useMedia';
import { hrefOf } from '../root';
import { isAdmin, isSignedIn } from '../session';

export function LivePage(): JSX.Element {
  const text = messages.value;
  const { fleet } = everyServer;
  const tick = everyServer.tick.value;
  const isPhone = useMedia(PHONE);
  const view = chosenView.value ?? (isPhone ? 'cards' : 'table');
  const order = useOrder(fleet);
  const freshness = fleet.isCurrent ? '' : 'stale';
  useEffect(() => everyServer.use(), []);
  return (
    <div class="page live">
      <h1 class="off-screen">{text.live.title}</h1>
      <ConnectionBanner live={everyServer} />
      {tick === 0 && everyServer.state.value !== 'lost' && <p class="quiet">{text.loading}</p>}
      {tick > 0 && (
        <>
          <div class={freshness}>
            <LiveTotals live={everyServer} />
          </div>
          <LiveFilters fleet={fleet} structure={fleet.structure} view={view} shown={order.length} />
          {order.length === 0 && <Nothing isFiltered={fleet.size > 0} />}
          <div class={freshness}>
            {order.length > 0 && view === 'table' && <LiveTable live={everyServer} order={order} tick={tick} />}
            {order.length > 0 && view === 'cards' && <LiveCards live={everyServer} order={order} tick={tick} />}
          </div>
        </>
      )}
    </div>
  );
}

/** The order of the rows, made anew only when it may differ: the stream changes something each second. */
function useOrder(fleet: Fleet): Uint32Array {
  const made = useRef<{ key: unknown[]; order: Uint32Array }>({ key: [], order: new Uint32Array(0) });
  const key = [filter.value, sort.value, orderVersion(fleet, filter.value, sort.value)];
  if (key.some((part, index) => made.current.key[index] !== part)) {
    made.current = { key, order: orderOf(fleet, filter.value, sort.value) };
  }
  return made.current.order;
}

function Nothing({ isFiltered }: { isFiltered: boolean }): JSX.Element {
  const text = messages.value.live;
  if (isFiltered) return <p class="quiet">{text.noMatch}</p>;
  if (!isSignedIn.value) return <p class="quiet">{text.noneVisible}</p>;
  return (
    <p class="quiet">
      {text.none} {isAdmin.value && <a href={hrefOf('/manage')}>{text.addFirst}</a>}
    </p>
  );
}

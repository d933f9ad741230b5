import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';

import { call } from '../api';
import { bytes, bytesPerSecond, dateTime, decimal, duration, NOTHING } from '../format';
import { languageTag, messages } from '../i18n';
import type { Facts, Field, Shown } from '../live/fleet';
import { LiveFleet } from '../live/store';
import { Bar } from '../parts/Bar';
import { Chip } from '../parts/Chip';
import { ConnectionBanner } from '../parts/ConnectionBanner';
import { HistoryCharts } from '../parts/HistoryCharts';
import { HiddenMark, StateDot } from '../parts/live/marks';
import { lastReportText } from '../parts/live/texts';
import { Sparkline } from '../parts/Sparkline';
import { useResource } from '../parts/useResource';
import { hrefOf } from '../root';
import { isSignedIn } from '../session';

/** What only those who are signed in see, of Nezha's `details`. */
interface Details {
  ipv4: string;
  ipv6: string;
  valid_ip: string;
  host: { CPU: string[] | null; GPU: string[] | null };
  status: { Temperatures: { Name: string; Temperature: number }[] | null };
}

export default function ServerPage({ id }: { id: number }): JSX.Element {
  const text = messages.value;
  const live = useMemo(() => new LiveFleet({ id: String(id) }), [id]);
  useEffect(() => live.use(), [live]);
  const { fleet } = live;
  const tick = live.tick.value;
  const row = fleet.row(id);
  const facts = row === undefined ? null : fleet.factsAt(row);

  const isKnown = facts !== null;
  useEffect(() => {
    if (isKnown) live.recent.see([id]);
  }, [live, id, isKnown]);

  const name = facts?.name;
  useEffect(() => {
    if (name !== undefined) document.title = `${name} – Windfire`;
  }, [name, languageTag.value]);

  return (
    <div class="page">
      <p class="back">
        <a href={hrefOf('/')}>← {text.server.back}</a>
      </p>
      <ConnectionBanner live={live} />
      {facts === null || row === undefined ? (
        <>
          <h1>{text.server.untitled}</h1>
          {(tick > 0 || live.state.value !== 'lost') && (
            <p class="quiet">{tick === 0 ? text.loading : text.server.unknown}</p>
          )}
        </>
      ) : (
        <>
          <div class="server-head">
            <StateDot {...{ fleet, row, tick }} />
            <h1 class="breakable">{facts.name}</h1>
            {facts.isHidden && <HiddenMark />}
            <Chip text={facts.tag} />
            {!fleet.isOnline(row) && <span class="last-report">{lastReportText(fleet, row)}</span>}
          </div>
          {fleet.isOnline(row) && (
            <div class={fleet.isCurrent ? '' : 'stale'}>
              <Now {...{ fleet, row, tick }} />
            </div>
          )}
          <FactsList facts={facts} />
          <HistoryCharts id={id} memTotal={facts.memTotal} diskTotal={facts.diskTotal} />
        </>
      )}
    </div>
  );
}

function Now({ fleet, row, tick }: Shown): JSX.Element {
  const text = messages.value.server;
  const facts = fleet.factsAt(row);
  const value = (field: Field): number => fleet.value(row, field);
  const share = (field: Field, total: number): JSX.Element => (
    <>
      <Bar value={value(field)} />
      <span class="of-total">{total > 0 ? `${bytes((value(field) / 100) * total)} / ${bytes(total)}` : NOTHING}</span>
    </>
  );
  return (
    <section aria-labelledby="now-title">
      <h2 id="now-title" class="off-screen">
        {text.now}
      </h2>
      <dl class="now">
        <Reading label={text.cpu}>
          <Bar value={value('cpu')} />
          <Sparkline {...{ fleet, row, tick }} />
        </Reading>
        <Reading label={text.memory}>{share('mem', facts.memTotal)}</Reading>
        <Reading label={text.swap}>{share('swap', facts.swapTotal)}</Reading>
        <Reading label={text.disk}>{share('disk', facts.diskTotal)}</Reading>
        <Reading label={text.network}>
          <span class="big">↓ {bytesPerSecond(value('net_in_speed'))}</span>
          <span class="big">↑ {bytesPerSecond(value('net_out_speed'))}</span>
        </Reading>
        <Reading label={`${text.received} / ${text.sent}`}>
          <span class="big">↓ {bytes(value('net_in_transfer'))}</span>
          <span class="big">↑ {bytes(value('net_out_transfer'))}</span>
        </Reading>
        <Reading label={text.load}>
          <span class="big">{decimal(value('load1'), 2)}</span>
        </Reading>
        <Reading label={text.uptime}>
          <span class="big">{facts.bootTime > 0 ? duration(fleet.now - facts.bootTime) : NOTHING}</span>
        </Reading>
      </dl>
    </section>
  );
}

function Reading({ label, children }: { label: string; children: JSX.Element | JSX.Element[] }): JSX.Element {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function FactsList({ facts }: { facts: Facts }): JSX.Element {
  const text = messages.value.server;
  const list: [string, string][] = [
    [text.id, String(facts.id)],
    [text.system, `${facts.platform} ${facts.platformVersion}`.trim()],
    [text.architecture, facts.arch],
    [text.virtualization, facts.virtualization],
    [text.processor, facts.cpu],
    [text.country, facts.country.toUpperCase()],
    [text.booted, facts.bootTime > 0 ? dateTime(facts.bootTime, languageTag.value) : ''],
    [text.agent, facts.agentVersion],
  ];
  return (
    <section aria-labelledby="facts-title">
      <h2 id="facts-title">{text.facts}</h2>
      <dl class="facts">
        {list.map(([label, value]) => (
          <Fact key={label} label={label} value={value} />
        ))}
        {isSignedIn.value && <DetailFacts id={facts.id} />}
      </dl>
    </section>
  );
}

function DetailFacts({ id }: { id: number }): JSX.Element | null {
  const text = messages.value.server;
  const details = useResource(() => call<Details[]>('GET', `/server/details?id=${id}`));
  if (details.error !== null) return <Fact label={text.address} value={details.error} />;
  const [server] = details.data ?? [];
  if (!server) return null;
  const addresses = [server.ipv4, server.ipv6].filter((address) => address !== '');
  const sensors = server.status.Temperatures ?? [];
  return (
    <>
      <Fact label={text.address} value={addresses.join(', ') || server.valid_ip} />
      <Fact label={text.graphics} value={(server.host.GPU ?? []).join(', ')} />
      <Fact
        label={text.sensors}
        value={sensors.map((sensor) => `${sensor.Name} ${decimal(sensor.Temperature, 1)} °C`).join(', ')}
      />
    </>
  );
}

/** What is not known is left out. */
function Fact({ label, value }: { label: string; value: string }): JSX.Element | null {
  if (value === '') return null;
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

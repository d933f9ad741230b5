import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import type { AlertEvent } from '../../alerts/alert';
import { call } from '../../api';
import { momentText } from '../../history/clock';
import { type RangeName, RANGES } from '../../history/series';
import { languageTag, messages } from '../../i18n';
import { type Column, DataTable } from '../DataTable';
import { ResourceState } from '../ResourceState';
import { useResource } from '../useResource';
import { AlertServer, SeverityMark } from './marks';

const ASK_INTERVAL_MS = 30_000;
const ROWS_MAX = 200;
const RANGE_NAMES = Object.keys(RANGES) as RangeName[];

type Row = AlertEvent & { id: number };

/** What happened to alerts, the newest first. */
export function AlertLog(): JSX.Element {
  const text = messages.value.alerts.overview;
  const [range, setRange] = useState<RangeName>('24h');
  return (
    <section class="alert-log" aria-labelledby="log-title">
      <div class="section-head">
        <h2 id="log-title">{text.log}</h2>
        <div class="segments" role="group" aria-label={text.logRange}>
          {RANGE_NAMES.map((name) => (
            <button key={name} type="button" aria-pressed={range === name} onClick={() => setRange(name)}>
              {messages.value.server.ranges[name]}
            </button>
          ))}
        </div>
      </div>
      <LogRows key={range} range={range} />
    </section>
  );
}

function LogRows({ range }: { range: RangeName }): JSX.Element {
  const text = messages.value.alerts;
  const events = useResource(
    () => call<AlertEvent[]>('GET', `/alert/log?from=-${range}&to=now&limit=${ROWS_MAX}`),
    ASK_INTERVAL_MS,
  );
  const newestFirst = [...(events.data ?? [])].sort((a, b) => b.time - a.time);
  const rows = newestFirst.map((event, index): Row => ({ ...event, id: index }));
  const columns: Column<Row>[] = [
    { title: text.overview.time, cell: ({ time }) => momentText(time, languageTag.value) },
    { title: text.overview.event, cell: ({ what }) => whatText(what) },
    { title: text.severity, cell: ({ severity }) => <SeverityMark severity={severity} /> },
    {
      title: text.overview.server,
      isBreakable: true,
      cell: ({ server, server_name }) => <AlertServer id={server} name={server_name} />,
    },
    { title: text.overview.rule, isBreakable: true, cell: ({ rule_name }) => rule_name },
    { title: text.note, isBreakable: true, cell: ({ note }) => note },
  ];
  return (
    <>
      <ResourceState resource={events} />
      {events.data?.length === 0 && <p class="quiet">{text.overview.logNone}</p>}
      {rows.length > 0 && <DataTable rows={rows} columns={columns} actions={[]} />}
      {rows.length >= ROWS_MAX && <p class="quiet">{text.overview.logCut(ROWS_MAX)}</p>}
    </>
  );
}

function whatText(what: string): string {
  const words: Readonly<Record<string, string>> = messages.value.alerts.overview.what;
  return words[what] ?? what;
}

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { type Alert, type AlertFilter, alertsToShow, isOpen, STATES } from '../alerts/alert';
import { type Rule, SEVERITIES } from '../alerts/rule';
import { measuredText } from '../alerts/texts';
import { call } from '../api';
import { errorText } from '../errors';
import { messages } from '../i18n';
import { AlertLog } from '../parts/alerts/AlertLog';
import { Select } from '../parts/alerts/inputs';
import { AlertServer, SeverityMark } from '../parts/alerts/marks';
import { NobodyTold } from '../parts/alerts/NobodyTold';
import { Chip } from '../parts/Chip';
import { type Column, DataTable, dateOrNever, type RowAction } from '../parts/DataTable';
import { Pager } from '../parts/Pager';
import { ResourceState } from '../parts/ResourceState';
import { announce } from '../parts/Toast';
import { useResource } from '../parts/useResource';
import { isAdmin } from '../session';

const ASK_INTERVAL_MS = 10_000;
const PAGE_SIZE = 200;

type Row = Alert & { id: string };

export default function AlertsPage(): JSX.Element {
  const text = messages.value.alerts.overview;
  const alerts = useResource(() => call<Alert[]>('GET', '/alert'), ASK_INTERVAL_MS);
  const rules = useResource(() => call<Rule[]>('GET', '/alert/rule'));
  const channels = useResource(() => call<unknown[]>('GET', '/alert/channel'));
  return (
    <div class="page">
      <h1>{text.title}</h1>
      <NobodyTold rules={rules.data} channels={channels.data} />
      <ResourceState resource={alerts} />
      {alerts.data?.length === 0 && <p class="quiet">{text.none}</p>}
      {alerts.data !== null && alerts.data.length > 0 && <AlertList alerts={alerts.data} onChanged={alerts.reload} />}
      <AlertLog />
    </div>
  );
}

interface AlertListProps {
  alerts: readonly Alert[];
  onChanged: () => Promise<void>;
}

function AlertList({ alerts, onChanged }: AlertListProps): JSX.Element {
  const text = messages.value.alerts;
  const [filter, setFilter] = useState<AlertFilter>({ state: '', severity: '', tag: '' });
  const [page, setPage] = useState(0);
  const found = alertsToShow(alerts, filter);
  const pages = Math.max(1, Math.ceil(found.length / PAGE_SIZE));
  const shownPage = Math.min(page, pages - 1);
  const rows = found
    .slice(shownPage * PAGE_SIZE, (shownPage + 1) * PAGE_SIZE)
    .map((alert): Row => ({ ...alert, id: `${alert.rule}/${alert.server}` }));

  const acknowledge = async ({ rule, server }: Alert): Promise<void> => {
    try {
      await call<null>('POST', `/alert/${rule}/${server}/acknowledge`);
      announce(text.overview.acknowledgedNow);
    } catch (failure) {
      announce(errorText(failure));
    }
    await onChanged();
  };
  const columns: Column<Row>[] = [
    { title: text.severity, cell: ({ severity }) => <SeverityMark severity={severity} /> },
    { title: text.overview.state, cell: (alert) => <StateCell alert={alert} /> },
    {
      title: text.overview.server,
      isBreakable: true,
      cell: ({ server, server_name }) => <AlertServer id={server} name={server_name} />,
    },
    { title: text.overview.tag, isBreakable: true, cell: ({ tag }) => tag },
    { title: text.overview.rule, isBreakable: true, cell: ({ rule_name }) => rule_name },
    { title: text.overview.value, cell: (alert) => <ValueCell alert={alert} /> },
    { title: text.overview.since, cell: ({ since }) => dateOrNever(since) },
  ];
  const actions: RowAction<Row>[] = [
    {
      label: ({ rule_name, server_name }) => text.overview.acknowledgeNamed(rule_name, server_name || text.theHub),
      face: text.overview.acknowledge,
      appliesTo: isOpen,
      run: (alert) => void acknowledge(alert),
    },
  ];

  return (
    <>
      <AlertFilters alerts={alerts} filter={filter} onChange={setFilter} />
      {found.length === 0 && <p class="quiet">{text.overview.noMatch}</p>}
      {found.length > 0 && <DataTable rows={rows} columns={columns} actions={isAdmin.value ? actions : []} />}
      <Pager page={shownPage} pages={pages} onChange={setPage} />
    </>
  );
}

interface AlertFiltersProps {
  alerts: readonly Alert[];
  filter: AlertFilter;
  onChange: (filter: AlertFilter) => void;
}

function AlertFilters({ alerts, filter, onChange }: AlertFiltersProps): JSX.Element {
  const text = messages.value.alerts;
  // The chosen tag stays a choice when its last alert goes.
  const tags = [...new Set([filter.tag, ...alerts.map(({ tag }) => tag)])].filter((tag) => tag !== '').sort();
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <Select<AlertFilter['state']>
        aria-label={text.overview.state}
        value={filter.state}
        options={[
          ['', text.overview.allStates],
          ...STATES.map((state) => [state, text.overview.states[state]] as const),
        ]}
        onChange={(state) => onChange({ ...filter, state })}
      />
      <Select<AlertFilter['severity']>
        aria-label={text.severity}
        value={filter.severity}
        options={[['', text.overview.allSeverities], ...SEVERITIES.map((one) => [one, text.severities[one]] as const)]}
        onChange={(severity) => onChange({ ...filter, severity })}
      />
      <Select
        aria-label={text.overview.tag}
        value={filter.tag}
        options={[['', text.overview.allTags], ...tags.map((tag) => [tag, tag] as const)]}
        onChange={(tag) => onChange({ ...filter, tag })}
      />
    </form>
  );
}

function StateCell({ alert }: { alert: Alert }): JSX.Element {
  const text = messages.value.alerts.overview;
  const { state, silenced, suppressed, frozen_since, acknowledged_by } = alert;
  return (
    <>
      {text.states[state]}
      <Chip text={silenced ? text.silenced : ''} />
      <Chip text={suppressed ? text.suppressed : ''} />
      <Chip text={frozen_since === null ? '' : text.frozen} />
      <Chip text={acknowledged_by === null ? '' : text.acknowledged(acknowledged_by)} />
    </>
  );
}

function ValueCell({ alert: { unit, value, worst_value } }: { alert: Alert }): JSX.Element {
  const text = messages.value.alerts.overview;
  const worst = measuredText(unit, worst_value);
  return (
    <>
      {measuredText(unit, value)}
      {worst_value !== null && worst !== '' && <div class="quiet">{text.worst(worst)}</div>}
    </>
  );
}

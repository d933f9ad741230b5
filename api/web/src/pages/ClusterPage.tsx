import type { ComponentChildren, JSX } from 'preact';

import {
  type ClusterBroker,
  type ClusterHub,
  type ClusterPartition,
  type ClusterState,
  lagOf,
  SYNC_IS_SAFE,
  syncOf,
  troubleOf,
} from '../cluster/state';
import { loadCluster } from '../cluster/store';
import { ago, decimal, duration } from '../format';
import { languageTag, messages } from '../i18n';
import { type Column, DataTable } from '../parts/DataTable';
import { ResourceState } from '../parts/ResourceState';
import { useResource } from '../parts/useResource';

const ASK_INTERVAL_MS = 2_000;

export default function ClusterPage(): JSX.Element {
  const text = messages.value.cluster;
  const told = useResource(async () => ({ state: await loadCluster() }), ASK_INTERVAL_MS);
  const state = told.data?.state;
  return (
    <div class="page">
      <h1>{text.title}</h1>
      <ResourceState resource={told} />
      {state === null && <p class="quiet">{text.alone}</p>}
      {state != null && (
        <>
          <Faults state={state} />
          <Standing state={state} />
          <Hubs state={state} />
          <Brokers state={state} />
          <Partitions state={state} />
        </>
      )}
    </div>
  );
}

/** What loses reports, or makes what is shown old. */
function Faults({ state }: { state: ClusterState }): JSX.Element | null {
  const text = messages.value.cluster;
  const trouble = troubleOf(state);
  if (trouble === null) return null;
  return (
    <div class="alert cluster-faults">
      {trouble?.what === 'not-ready' && <p>{text.notReady(state.not_ready ?? '')}</p>}
      {trouble?.what === 'no-majority' && <p>{text.noMajority}</p>}
      {trouble?.what === 'lags' && <p>{text.lags(duration(trouble.seconds))}</p>}
      {state.missing_copies !== null && <p>{text.missingCopies(state.missing_copies)}</p>}
      {state.warnings.length > 0 && (
        <>
          <p>{text.unsafe}</p>
          <ul>
            {state.warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Standing({ state }: { state: ClusterState }): JSX.Element {
  const text = messages.value.cluster;
  return (
    <dl class="now">
      <Fact label={text.cluster}>{state.name}</Fact>
      <Fact label={text.thisHub}>{state.hub_id}</Fact>
      <Fact label={text.state}>{state.not_ready === null ? text.ready : text.badges['not-ready']}</Fact>
      <Fact label={text.behind}>{duration(lagOf(state))}</Fact>
      <Fact label={text.connectedTo}>{state.broker ?? text.noBroker}</Fact>
      <Fact label={text.alertsJudgedBy}>{state.alerts_hub_id ?? text.notKnown}</Fact>
    </dl>
  );
}

function Fact({ label, children }: { label: string; children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{label}</dt>
      <dd class="breakable">{children}</dd>
    </div>
  );
}

function Hubs({ state }: { state: ClusterState }): JSX.Element {
  const text = messages.value.cluster;
  const columns: Column<ClusterHub & { id: string }>[] = [
    {
      title: text.hub,
      isBreakable: true,
      cell: ({ id }) => (
        <>
          {id}
          {id === state.hub_id && <span class="chip">{text.thisHub}</span>}
          {id === state.alerts_hub_id && <span class="chip">{text.judgesAlerts}</span>}
        </>
      ),
    },
    { title: text.runs, cell: ({ runs }) => (runs ? text.yes : <Bad>{text.no}</Bad>) },
    { title: text.renewed, cell: ({ renewed_s }) => ago(renewed_s, languageTag.value) },
  ];
  return (
    <section>
      <h2>{text.hubs}</h2>
      <DataTable
        label={text.hubs}
        rows={state.hubs.map((hub) => ({ ...hub, id: hub.hub_id }))}
        columns={columns}
        actions={[]}
      />
    </section>
  );
}

function Brokers({ state }: { state: ClusterState }): JSX.Element {
  const text = messages.value.cluster;
  const columns: Column<ClusterBroker & { id: string }>[] = [
    { title: text.broker, isBreakable: true, cell: ({ name }) => name },
    { title: text.version, cell: ({ version }) => version },
    {
      title: text.syncs,
      cell: (broker) => {
        const sync = syncOf(state, broker);
        return SYNC_IS_SAFE[sync] ? text.syncWords[sync] : <Bad>{text.syncWords[sync]}</Bad>;
      },
    },
  ];
  return (
    <section>
      <h2>{text.brokers}</h2>
      <p class="quiet">{text.brokersAtStart}</p>
      <DataTable
        label={text.brokers}
        rows={state.brokers.map((broker) => ({ ...broker, id: broker.name }))}
        columns={columns}
        actions={[]}
      />
    </section>
  );
}

function Partitions({ state }: { state: ClusterState }): JSX.Element {
  const text = messages.value.cluster;
  const columns: Column<Pick<ClusterPartition, 'applied' | 'lag_messages'> & { id: string; lag_s: number | null }>[] = [
    { title: text.partition, cell: ({ id }) => id },
    { title: text.applied, cell: ({ applied }) => applied },
    { title: text.messagesBehind, cell: ({ lag_messages }) => lag_messages },
    { title: text.behind, cell: ({ lag_s }) => (lag_s === null ? '' : text.seconds(decimal(lag_s, 1))) },
  ];
  const { registry_applied: applied, registry_lag_messages: lag_messages } = state;
  const rows = [
    ...state.partitions.map(({ partition, ...row }) => ({ ...row, id: `${partition}` })),
    { id: text.registry, applied, lag_messages, lag_s: null },
  ];
  return (
    <section>
      <h2>{text.partitions}</h2>
      <DataTable label={text.partitions} rows={rows} columns={columns} actions={[]} />
    </section>
  );
}

/** What is not as it should be: in colour, and in words. */
function Bad({ children }: { children: ComponentChildren }): JSX.Element {
  return <strong class="bad">{children}</strong>;
}

import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';

import type { AlertSpan } from '../alerts/alert';
import { useSpans } from '../alerts/useSpans';
import { errorText } from '../errors';
import { type ChartSpec, chartsOf } from '../history/charts';
import { momentText, zoneText } from '../history/clock';
import { type History, loadHistory, type RangeName, RANGES, type Series } from '../history/series';
import { languageTag, messages } from '../i18n';
import { Alert } from './Alert';
import { SeverityMark } from './alerts/marks';
import { Chart } from './Chart';

const REFRESH_HOUR_MS = 15_000;
const REFRESH_MS = 60_000;
const RANGE_NAMES = Object.keys(RANGES) as RangeName[];

interface HistoryChartsProps {
  id: number;
  memTotal: number;
  diskTotal: number;
}

export function HistoryCharts({ id, memTotal, diskTotal }: HistoryChartsProps): JSX.Element {
  const text = messages.value.server;
  const [range, setRange] = useState<RangeName>('1h');
  const specs = useMemo(() => chartsOf(text, { memTotal, diskTotal }), [text, memTotal, diskTotal]);
  const { loaded, error } = useHistory(id, specs, range);
  const alerts = useSpans(id, loaded?.history.from ?? null, loaded?.history.to ?? null);
  return (
    <section aria-labelledby="history-title">
      <div class="section-head">
        <h2 id="history-title">{text.charts}</h2>
        <div class="segments" role="group" aria-label={text.range}>
          {RANGE_NAMES.map((name) => (
            <button key={name} type="button" aria-pressed={range === name} onClick={() => setRange(name)}>
              {text.ranges[name]}
            </button>
          ))}
        </div>
      </div>
      {error !== null && <Alert>{error}</Alert>}
      {loaded === null && error === null && <p class="quiet">{messages.value.loading}</p>}
      {loaded && (
        // What is there of another range stays until this one comes, under its own name.
        <div class={loaded.range === range ? '' : 'stale'}>
          <p class="quiet">{text.timesAreIn(zoneText(loaded.history.from, loaded.history.to))}</p>
          <AlertSpans alerts={alerts} />
          <div class="charts">
            <Charts specs={specs} history={loaded.history} rangeName={text.ranges[loaded.range]} alerts={alerts} />
          </div>
        </div>
      )}
    </section>
  );
}

interface ChartsProps {
  specs: ChartSpec[];
  history: History;
  rangeName: string;
  alerts: readonly AlertSpan[];
}

/** In words what the charts mark. */
function AlertSpans({ alerts }: { alerts: readonly AlertSpan[] }): JSX.Element | null {
  const text = messages.value.alerts.charts;
  if (alerts.length === 0) return null;
  const moment = (time: number): string => momentText(time, languageTag.value);
  return (
    <details class="alert-spans">
      <summary>
        {text.title} ({alerts.length})
      </summary>
      <ul>
        {[...alerts].reverse().map(({ rule, severity, from, to }, index) => (
          <li key={index} class="breakable">
            <SeverityMark severity={severity} /> {text.span(rule, moment(from), to === null ? null : moment(to))}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Charts({ specs, history, rangeName, alerts }: ChartsProps): JSX.Element {
  const drawn = useMemo(
    () =>
      specs
        .map((spec) => ({ spec, series: seriesOf(spec, history) }))
        .filter(
          ({ spec, series }) =>
            !spec.isOptional || series.some(({ values }) => values.some((value) => value !== null && value !== 0)),
        ),
    [specs, history],
  );
  return (
    <>
      {drawn.map(({ spec, series }) => (
        <Chart
          key={spec.id}
          spec={spec}
          series={series}
          from={history.from}
          to={history.to}
          rangeName={rangeName}
          alerts={alerts}
        />
      ))}
    </>
  );
}

function seriesOf(spec: ChartSpec, history: History): Series[] {
  return spec.metrics.map((metric) => {
    const found = history.result.find((series) => series.metric === metric);
    return found ?? { metric, unit: '', step: history.step, times: [], values: [] };
  });
}

interface Loaded {
  range: RangeName;
  history: History;
}

/** Loads again and again while the page is seen. */
function useHistory(id: number, specs: ChartSpec[], range: RangeName): { loaded: Loaded | null; error: string | null } {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [error, setError] = useState<string | null>(null);
  const metrics = specs.flatMap((spec) => spec.metrics).join(',');

  useEffect(() => {
    const aborter = new AbortController();
    let isLoading = false;
    const load = async (): Promise<void> => {
      // A hub that is slow to answer is not asked once more meanwhile.
      if (document.hidden || isLoading) return;
      isLoading = true;
      try {
        setLoaded({ range, history: await loadHistory(id, metrics.split(','), range, aborter.signal) });
        setError(null);
      } catch (failure) {
        if (!aborter.signal.aborted) setError(errorText(failure));
      }
      isLoading = false;
    };
    void load();
    const timer = setInterval(() => void load(), range === '1h' ? REFRESH_HOUR_MS : REFRESH_MS);
    document.addEventListener('visibilitychange', load);
    return () => {
      aborter.abort();
      clearInterval(timer);
      document.removeEventListener('visibilitychange', load);
    };
  }, [id, range, metrics]);

  return { loaded, error };
}

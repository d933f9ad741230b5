import 'uplot/dist/uPlot.min.css';

import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';

import type { AlertSpan } from '../alerts/alert';
import type { Severity } from '../alerts/rule';
import { NOTHING } from '../format';
import type { ChartSpec } from '../history/charts';
import { axisLabels, momentText } from '../history/clock';
import { align, extentOf, type Series } from '../history/series';
import { languageTag, messages } from '../i18n';
import { colourOf, isDark } from '../theme';

/** As in server.css. */
const HEIGHT = 206;
/** Of the axis of time: a mark, and two lines of text. */
const TIME_AXIS_HEIGHT = 50;
/** 1, 2, 5, 10, 20 … 500 of each binary unit. */
const BYTE_STEPS = [0, 1, 2, 3, 4].flatMap((power) =>
  [1, 2, 5, 10, 20, 50, 100, 200, 500].map((step) => step * 1024 ** power),
);
const SERIES_COLOURS = ['--series-1', '--series-2', '--series-3'];

interface ChartProps {
  spec: ChartSpec;
  series: readonly Series[];
  from: number;
  to: number;
  rangeName: string;
  /** Times that are marked. */
  alerts: readonly AlertSpan[];
}

/** Series over time; its label says in words what is to be seen. */
export function Chart({ spec, series, from, to, rangeName, alerts }: ChartProps): JSX.Element {
  const text = messages.value.server;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const data = useMemo(() => align(series), [series]);
  const bounds = useRef({ from, to });
  bounds.current = { from, to };
  const marked = useRef(alerts);
  marked.current = alerts;
  const dark = isDark();

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const options = optionsOf(spec, element.clientWidth, () => bounds.current, setCursor, languageTag.value);
    options.hooks = { ...options.hooks, drawClear: [(chart) => drawAlerts(chart, marked.current)] };
    const made = new uPlot(options, data as uPlot.AlignedData, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current = null;
      made.destroy();
    };
  }, [spec, dark, languageTag.value]);

  useEffect(() => plot.current?.setData(data as uPlot.AlignedData), [data, from, to]);
  useEffect(() => plot.current?.redraw(false), [alerts]);

  const extents = data.slice(1).map(extentOf);
  const isEmpty = extents.every((extent) => extent === null);
  const inWords = spec.labels.map((label, index) => {
    const extent = extents[index];
    if (!extent) return `${label}: ${NOTHING}.`;
    return text.seriesSummary(
      label,
      spec.format(extent.latest),
      spec.format(extent.lowest),
      spec.format(extent.highest),
    );
  });
  const cursorTime = cursor === null ? null : data[0][cursor];
  const marks = alerts.length === 0 ? [] : [messages.value.alerts.charts.marked(alerts.length)];
  const summary = [...(isEmpty ? [text.nothingReported] : inWords), ...marks].join(' ');

  return (
    <section class="chart">
      <div class="chart-head">
        <h3>{spec.title}</h3>
        {cursorTime != null && <time class="quiet">{momentText(cursorTime, languageTag.value)}</time>}
      </div>
      <div class="plot" ref={box} role="img" aria-label={text.chartSummary(spec.title, rangeName, summary)} />
      {isEmpty && <p class="plot-empty">{text.nothingReported}</p>}
      <dl class="legend">
        {spec.labels.map((label, index) => {
          const extent = extents[index];
          const atCursor = cursor === null ? null : data[index + 1]?.[cursor];
          const value = cursor === null ? extent?.latest : atCursor;
          return (
            <div key={label}>
              <dt class={`series-${index + 1}`}>{label}</dt>
              <dd>{value == null ? NOTHING : spec.format(value)}</dd>
              {extent && (
                <dd class="extent">
                  {spec.format(extent.lowest)} … {spec.format(extent.highest)}
                </dd>
              )}
            </div>
          );
        })}
      </dl>
    </section>
  );
}

function optionsOf(
  spec: ChartSpec,
  width: number,
  bounds: () => { from: number; to: number },
  onCursor: (index: number | null) => void,
  language: string,
): uPlot.Options {
  const axisColour = colourOf('--quiet');
  const gridColour = colourOf('--line');
  const axis = { stroke: axisColour, grid: { stroke: gridColour, width: 1 }, ticks: { stroke: gridColour, width: 1 } };
  return {
    width,
    height: HEIGHT,
    // Half of a day's name, where the last mark is at the edge.
    padding: [null, 26, null, null],
    legend: { show: false },
    cursor: { sync: { key: 'server' }, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      // The whole range, so that a gap at its ends is seen too.
      x: { range: () => [bounds().from, bounds().to] },
      y: { range: (_, __, highest) => [0, spec.max ?? roomAbove(highest)] },
    },
    axes: [
      {
        ...axis,
        size: TIME_AXIS_HEIGHT,
        values: (_, times, __, ___, increment) => axisLabels(times, increment, language),
      },
      {
        ...axis,
        size: 76,
        ...(spec.isBytes ? { incrs: BYTE_STEPS } : {}),
        values: (_, values) => values.map((value) => spec.format(value)),
      },
    ],
    series: [
      {},
      ...spec.metrics.map((_, index) => {
        const colour = colourOf(SERIES_COLOURS[index] ?? '--series-1');
        return {
          stroke: colour,
          width: 1.5,
          spanGaps: false,
          points: { show: true, size: 3, fill: colour, filter: lonePoints },
        };
      }),
    ],
    hooks: { setCursor: [(chart) => onCursor(chart.cursor.idx ?? null)] },
  };
}

const ALERT_COLOURS: Record<Severity, string> = {
  info: '--quiet',
  warning: '--load-middle',
  critical: '--load-high',
};

/** Behind the lines, the times for which alerts fired; at the beginning of each a line of its own. */
function drawAlerts(chart: uPlot, alerts: readonly AlertSpan[]): void {
  const { ctx, bbox } = chart;
  const right = bbox.left + bbox.width;
  const placeOf = (time: number): number => Math.min(right, Math.max(bbox.left, chart.valToPos(time, 'x', true)));
  ctx.save();
  for (const { severity, from, to } of alerts) {
    const start = placeOf(from);
    const end = to === null ? right : placeOf(to);
    ctx.fillStyle = colourOf(ALERT_COLOURS[severity]);
    ctx.globalAlpha = 0.15;
    ctx.fillRect(start, bbox.top, end - start, bbox.height);
    ctx.globalAlpha = 0.8;
    ctx.fillRect(start, bbox.top, devicePixelRatio, bbox.height);
  }
  ctx.restore();
}

/** A line through one point is not seen: those between gaps are dots. */
function lonePoints(chart: uPlot, series: number): number[] {
  const values = chart.data[series] ?? [];
  const isKnown = (index: number): boolean => values[index] != null;
  return [...values.keys()].filter((index) => isKnown(index) && !isKnown(index - 1) && !isKnown(index + 1));
}

function roomAbove(highest: number | null): number {
  return highest !== null && highest > 0 ? highest * 1.1 : 1;
}

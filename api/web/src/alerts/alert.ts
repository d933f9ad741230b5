import { SEVERITIES, type Severity } from './rule';

export const STATES = ['firing', 'clearing', 'pending'] as const;
export type AlertState = (typeof STATES)[number];

/** A rule for a server, or for the hub, while it is not ok. Times are Unix seconds. */
export interface Alert {
  rule: number;
  rule_name: string;
  /** 0 is the hub. */
  server: number;
  server_name: string;
  tag: string;
  severity: Severity;
  state: AlertState;
  since: number;
  fired: number | null;
  value: number | null;
  first_value: number | null;
  worst_value: number | null;
  unit: string;
  frozen_since: number | null;
  silenced: boolean;
  suppressed: boolean;
  acknowledged_by: string | null;
  times_notified: number;
}

export type EventName =
  | 'pending'
  | 'fired'
  | 'resolved'
  | 'frozen'
  | 'thawed'
  | 'acknowledged'
  | 'silenced'
  | 'closed'
  | 'undelivered';

/** A row of the log. */
export interface AlertEvent {
  time: number;
  rule: number;
  rule_name: string;
  server: number;
  server_name: string;
  severity: Severity;
  what: EventName;
  value: number | null;
  note: string;
}

/** Which alerts are shown; an empty text is no choice. */
export interface AlertFilter {
  state: AlertState | '';
  severity: Severity | '';
  tag: string;
}

/** Those that fit, the most urgent first: firing before others, then the worse, then the newer. */
export function alertsToShow(alerts: readonly Alert[], { state, severity, tag }: AlertFilter): Alert[] {
  const fits = (alert: Alert): boolean =>
    (state === '' || alert.state === state) &&
    (severity === '' || alert.severity === severity) &&
    (tag === '' || alert.tag === tag);
  return alerts.filter(fits).sort(byUrgency);
}

function byUrgency(a: Alert, b: Alert): number {
  return (
    STATES.indexOf(a.state) - STATES.indexOf(b.state) ||
    SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
    b.since - a.since ||
    a.rule - b.rule ||
    a.server - b.server
  );
}

/** Whether somebody can still acknowledge it. */
export function isOpen({ state, acknowledged_by }: Alert): boolean {
  return state !== 'pending' && acknowledged_by === null;
}

/** A time for which an alert fired; `to` is `null` while it does. */
export interface AlertSpan {
  rule: string;
  severity: Severity;
  from: number;
  to: number | null;
}

/** The times for which alerts of one server fired, from its log since `from`. What ends there without a beginning began before. */
export function spansOf(events: readonly AlertEvent[], from: number): AlertSpan[] {
  const spans: AlertSpan[] = [];
  const fires = new Map<number, AlertSpan>();
  for (const { time, rule, rule_name, severity, what } of [...events].sort((a, b) => a.time - b.time)) {
    if (what === 'fired') {
      const span = { rule: rule_name, severity, from: time, to: null };
      fires.set(rule, span);
      spans.push(span);
    } else if (what === 'resolved' || (what === 'closed' && fires.has(rule))) {
      const span = fires.get(rule);
      if (span) span.to = time;
      else spans.push({ rule: rule_name, severity, from, to: time });
      fires.delete(rule);
    }
  }
  return spans;
}

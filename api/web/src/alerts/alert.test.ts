import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { alertsEn } from '../i18n/alerts.en';
import { type Alert, type AlertEvent, alertsToShow, type EventName, isOpen, spansOf, STATES } from './alert';

const ALERT: Alert = {
  rule: 1,
  rule_name: 'busy',
  server: 1,
  server_name: 'one',
  tag: 'web',
  severity: 'warning',
  state: 'firing',
  since: 100,
  fired: 100,
  value: 95,
  first_value: 91,
  worst_value: 97,
  unit: 'percent',
  frozen_since: null,
  silenced: false,
  suppressed: false,
  acknowledged_by: null,
  times_notified: 1,
};

const ALERTS: Alert[] = [
  { ...ALERT, server: 1, state: 'pending', severity: 'critical' },
  { ...ALERT, server: 2, since: 50 },
  { ...ALERT, server: 3, since: 200, tag: 'db' },
  { ...ALERT, server: 4, severity: 'critical' },
  { ...ALERT, server: 5, state: 'clearing' },
];

const ALL = { state: '', severity: '', tag: '' } as const;

it('shows the most urgent alerts first', () => {
  expect(alertsToShow(ALERTS, ALL).map(({ server }) => server)).toEqual([4, 3, 2, 5, 1]);
});

it('shows the alerts that fit all that is chosen', () => {
  const shown = (filter: Partial<Parameters<typeof alertsToShow>[1]>): number[] =>
    alertsToShow(ALERTS, { ...ALL, ...filter }).map(({ server }) => server);
  expect(shown({ state: 'firing' })).toEqual([4, 3, 2]);
  expect(shown({ severity: 'critical' })).toEqual([4, 1]);
  expect(shown({ tag: 'db' })).toEqual([3]);
  expect(shown({ tag: 'db', severity: 'critical' })).toEqual([]);
});

it('lets an alert be acknowledged once, when it has fired', () => {
  expect(ALERTS.map(isOpen)).toEqual([false, true, true, true, true]);
  expect(isOpen({ ...ALERT, acknowledged_by: 'ada' })).toBe(false);
});

function event(time: number, rule: number, what: EventName): AlertEvent {
  const server = { server: 1, server_name: 'one' };
  return { time, rule, rule_name: `rule ${rule}`, ...server, severity: 'info', what, value: null, note: '' };
}

it('finds the times for which alerts fired', () => {
  const events = [
    event(10, 1, 'pending'),
    event(20, 1, 'fired'),
    event(25, 2, 'fired'),
    event(30, 1, 'acknowledged'),
    event(40, 1, 'resolved'),
    event(50, 2, 'closed'),
    event(60, 1, 'fired'),
  ];
  const told = spansOf([...events].reverse(), 0).map(({ rule, from, to }) => [rule, from, to]);
  expect(told).toEqual([
    ['rule 1', 20, 40],
    ['rule 2', 25, 50],
    ['rule 1', 60, null],
  ]);
});

it('takes an end without a beginning for an alert that began before', () => {
  expect(spansOf([event(40, 1, 'resolved')], 5)).toEqual([{ rule: 'rule 1', severity: 'info', from: 5, to: 40 }]);
  // One that was only pending is closed too.
  expect(spansOf([event(40, 1, 'closed')], 5)).toEqual([]);
});

/** The names in a file of the engine, each written as `Self::Firing => "firing"`. */
function namesIn(file: string): (string | undefined)[] {
  const source = readFileSync(new URL(`../../../../engine/src/alert/${file}`, import.meta.url), 'utf8');
  return Array.from(source.matchAll(/Self::\w+ => "(\w+)"/g), ([, name]) => name);
}

it('has words for each event that the hub logs, and for each state', () => {
  const names = namesIn('journal.rs');
  expect(names.length).toBeGreaterThan(5);
  expect(Object.keys(alertsEn.overview.what)).toEqual(names);
  expect([...STATES].sort()).toEqual(namesIn('state.rs').sort());
});

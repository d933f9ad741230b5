import { expect, it } from 'vitest';

import { axisLabels, momentText, zoneText } from './clock';

const at = (text: string): number => Date.parse(text) / 1000;
const every = (from: string, count: number, stepS: number): number[] =>
  Array.from({ length: count }, (_, index) => at(from) + index * stepS);

it('has 24 hours in every language, and midnight is 00', () => {
  const times = every('2026-11-25T22:30:00Z', 5, 3600);
  expect(axisLabels(times, 3600, 'en', 'UTC')).toEqual(['22:30\nNov 25', '23:30', '00:30\nNov 26', '01:30', '02:30']);
  expect(axisLabels(times, 3600, 'zh-CN', 'UTC')).toEqual([
    '22:30\n11月25日',
    '23:30',
    '00:30\n11月26日',
    '01:30',
    '02:30',
  ]);
  expect(axisLabels([at('2026-11-26T13:05:07Z')], 10, 'en', 'UTC')).toEqual(['13:05:07\nNov 26']);
  expect(momentText(at('2026-11-26T00:05:07Z'), 'en', 'UTC')).toBe('Nov 26, 2026, 00:05:07');
  expect(momentText(at('2026-11-26T00:05:07Z'), 'zh-CN', 'UTC')).toBe('2026年11月26日 00:05:07');
});

it('names days alone where a step is a day', () => {
  expect(axisLabels(every('2026-11-25T00:00:00Z', 2, 86_400), 86_400, 'en', 'UTC')).toEqual(['Nov 25', 'Nov 26']);
});

it('tells the hour that comes twice from itself, and the one that is left out', () => {
  const back = every('2026-10-24T23:00:00Z', 4, 3600);
  expect(axisLabels(back, 3600, 'en', 'Europe/Berlin')).toEqual(['01:00\nOct 25', '02:00', '02:00\nUTC+1', '03:00']);
  const on = every('2026-03-29T00:00:00Z', 3, 3600);
  expect(axisLabels(on, 3600, 'en', 'Europe/Berlin')).toEqual(['01:00\nMar 29', '03:00\nUTC+2', '04:00']);
  // Here clocks change by half an hour.
  const half = every('2026-04-04T14:30:00Z', 2, 1800);
  expect(axisLabels(half, 1800, 'en', 'Australia/Lord_Howe')).toEqual(['01:30\nApr 5', '01:30\nUTC+10:30']);
});

it('says the zone, and both offsets where clocks were changed', () => {
  const [winter, summer] = [at('2026-01-15T00:00:00Z'), at('2026-07-15T00:00:00Z')];
  expect(zoneText(winter, winter + 60, 'Asia/Kolkata')).toBe('Asia/Kolkata, UTC+5:30');
  expect(zoneText(winter, summer, 'Europe/Berlin')).toBe('Europe/Berlin, UTC+1 → UTC+2');
  expect(zoneText(winter, summer, 'UTC')).toBe('UTC');
});

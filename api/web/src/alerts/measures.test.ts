import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { MEASURES, measureOf } from './measures';

it('has the measures of the hub, with their kinds and units', () => {
  const source = readFileSync(new URL('../../../../engine/src/alert/measure.rs', import.meta.url), 'utf8');
  const rows = Array.from(source.matchAll(/^ {4}\w+ +(Level|Event|Absence|Hub) +"([^"]+)" +"([^"]*)" +"/gm));
  const hub = rows.map(([, kind = '', name = '', unit = '']) => [name, { unit, kind: kind.toLowerCase() }]);
  expect(hub.length).toBeGreaterThan(20);
  expect(Object.entries(MEASURES)).toEqual(hub);
});

it('has no number for what it does not know', () => {
  expect(measureOf('check.rtt').unit).toBe('');
  expect(measureOf('toString').unit).toBe('');
});

import { expect, it } from 'vitest';

import { amountOf, factorFor, numberOf, scalesOf, secondsOf } from './amount';

it('writes a number in the largest unit in which it is whole', () => {
  expect(amountOf('seconds', 90)).toEqual({ text: '90', factor: 1 });
  expect(amountOf('seconds', 7200)).toEqual({ text: '2', factor: 3600 });
  expect(amountOf('seconds', 0)).toEqual({ text: '0', factor: 1 });
  expect(amountOf('bytes', 10 * 1024 ** 3)).toEqual({ text: '10', factor: 1024 ** 3 });
  expect(amountOf('bytes', 1500)).toEqual({ text: '1500', factor: 1 });
  expect(amountOf('percent', 92.5)).toEqual({ text: '92.5', factor: 1 });
  expect(factorFor('bytes', [2 * 1024 ** 3, 1024 ** 2])).toBe(1024 ** 2);
});

it('gives back every number that it wrote', () => {
  const numbers = [0, 1, 59, 60, 61, 86_399, 86_400, 604_800, 0.1, 1e15, -5, 1024 ** 4, 3.75];
  for (const unit of ['percent', 'bytes', 'bytes/s', 'seconds', 'load'] as const)
    for (const number of numbers) expect(numberOf(amountOf(unit, number)), `${number} ${unit}`).toBe(number);
});

it('has no number where none is written', () => {
  expect(numberOf({ text: ' ', factor: 60 })).toBeNull();
  expect(numberOf({ text: 'x', factor: 60 })).toBeNull();
  expect(numberOf({ text: '1e309', factor: 1 })).toBeNull();
  expect(numberOf(amountOf('bytes', null))).toBeNull();
});

it('rounds durations to whole seconds', () => {
  expect(secondsOf({ text: '1.5', factor: 60 })).toBe(90);
  expect(secondsOf({ text: '0.01', factor: 60 })).toBe(1);
  expect(secondsOf({ text: '', factor: 60 })).toBe(0);
});

it('names each unit once', () => {
  const names = scalesOf('bytes/s').map(({ name }) => name);
  expect(names).toEqual(['B/s', 'KiB/s', 'MiB/s', 'GiB/s', 'TiB/s']);
});

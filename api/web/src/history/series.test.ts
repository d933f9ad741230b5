import { expect, it } from 'vitest';

import { align, extentOf, type Series } from './series';

function series(step: number, times: number[], values: (number | null)[]): Series {
  return { metric: 'cpu', unit: 'percent', step, times, values };
}

it('puts series of different times side by side, with gaps', () => {
  const aligned = align([series(10, [10, 20], [1, null]), series(10, [20, 30], [5, 6])]);
  expect(aligned).toEqual([
    [10, 20, 30],
    [1, null, null],
    [null, 5, 6],
  ]);
});

it('makes a gap of a silence between single reports', () => {
  expect(align([series(0, [10.5, 11.5, 200.5], [1, 2, 3])])).toEqual([
    [10.5, 11.5, 106, 200.5],
    [1, 2, null, 3],
  ]);
});

it('finds latest, lowest and highest among what is known', () => {
  expect(extentOf([null, 3, 9, 1, 4, null])).toEqual({ latest: 4, lowest: 1, highest: 9 });
  expect(extentOf([null])).toBeNull();
});

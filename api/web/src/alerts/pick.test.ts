import { expect, it } from 'vitest';

import { serversToOffer } from './pick';

const SERVERS = [
  { id: 1, name: 'web one', tag: 'web' },
  { id: 2, name: 'web two', tag: 'web' },
  { id: 3, name: 'main', tag: 'db' },
  { id: 40, name: '', tag: 'db' },
];

function offered(chosen: number[], searched: string, max = 10): [ids: number[], more: number] {
  const { offered, more } = serversToOffer(SERVERS, new Set(chosen), searched, max);
  return [offered.map(({ id }) => id), more];
}

it('offers the chosen servers first, whatever is searched', () => {
  expect(offered([3], 'two')).toEqual([[3, 2], 0]);
  expect(offered([3, 99], '')).toEqual([[3, 1, 2, 40], 0]);
});

it('finds all words in name, tag and id', () => {
  expect(offered([], ' WEB  one')).toEqual([[1], 0]);
  expect(offered([], 'db')).toEqual([[3, 40], 0]);
  expect(offered([], '40')).toEqual([[40], 0]);
  expect(offered([], 'none')).toEqual([[], 0]);
});

it('says how many it leaves out', () => {
  expect(offered([2], '', 1)).toEqual([[2, 1], 2]);
});

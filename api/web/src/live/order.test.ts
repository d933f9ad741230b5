import { expect, it } from 'vitest';

import { Fleet, type ServerRow } from './fleet';
import { type Filter, orderOf, orderVersion, type Sort } from './order';

const EVERYTHING: Filter = { text: '', tag: '', state: 'all' };
const BY_INDEX: Sort = { key: 'index', isDescending: false };

function server(id: number, name: string, tag: string, index: number, active: number, cpu: number): ServerRow {
  return [id, name, tag, index, 0, 'de', 'debian', '12', '', '', '', 0, 0, 0, 1000 * id, '', [active, cpu]];
}

function fleet(): Fleet {
  const made = new Fleet();
  const servers = [
    server(1, 'web 10', 'web', 0, 0, 50),
    server(2, 'web 9', 'web', 5, 0, 10),
    server(3, 'Database', 'db', 0, 900, 99),
    server(4, 'cache', 'db', 0, 0, 50),
  ];
  const fields: [string, number][] = [
    ['active', 1],
    ['cpu', 1],
  ];
  made.applySnapshot({ now: 1000, offline_after: 30, fields, servers });
  return made;
}

function ids(filter: Partial<Filter>, sort: Sort = BY_INDEX): number[] {
  const made = fleet();
  return [...orderOf(made, { ...EVERYTHING, ...filter }, sort)].map((row) => made.factsAt(row).id);
}

it('puts larger indexes first, then smaller ids', () => {
  expect(ids({})).toEqual([2, 1, 3, 4]);
});

it('searches each word in name, tag and platform', () => {
  expect(ids({ text: 'WEB' })).toEqual([2, 1]);
  expect(ids({ text: 'web 10' })).toEqual([1]);
  expect(ids({ text: 'db debian' })).toEqual([3, 4]);
  expect(ids({ text: 'nothing' })).toEqual([]);
});

it('filters by tag and state', () => {
  expect(ids({ tag: 'db' })).toEqual([3, 4]);
  expect(ids({ tag: 'db', state: 'online' })).toEqual([4]);
  expect(ids({ state: 'offline' })).toEqual([3]);
});

it('sorts names as people do', () => {
  expect(ids({}, { key: 'name', isDescending: false })).toEqual([4, 3, 2, 1]);
  expect(ids({}, { key: 'name', isDescending: true })).toEqual([1, 2, 3, 4]);
});

it('puts those without a value last in both directions, and equal ones by id', () => {
  expect(ids({}, { key: 'cpu', isDescending: true })).toEqual([1, 4, 2, 3]);
  expect(ids({}, { key: 'cpu', isDescending: false })).toEqual([2, 1, 4, 3]);
});

it('takes an early boot for a long uptime', () => {
  expect(ids({}, { key: 'uptime', isDescending: true })).toEqual([1, 2, 4, 3]);
});

it('has another version only when the order may differ', () => {
  const made = fleet();
  const versions = (): string[] => [
    orderVersion(made, EVERYTHING, BY_INDEX),
    orderVersion(made, EVERYTHING, { key: 'cpu', isDescending: true }),
    orderVersion(made, EVERYTHING, { key: 'mem', isDescending: true }),
    orderVersion(made, { ...EVERYTHING, state: 'online' }, BY_INDEX),
  ];
  const changed = (before: string[]): boolean[] => versions().map((version, index) => version !== before[index]);
  let before = versions();
  made.applyChange({ now: 1001, rows: [1, 0b10, 51] });
  expect(changed(before)).toEqual([false, true, false, false]);
  before = versions();
  made.applyChange({ now: 1002, rows: [1, 0b01, 1001] });
  expect(changed(before)).toEqual([false, true, true, true]);
  before = versions();
  made.applyChange({ now: 1003, gone: [1] });
  expect(changed(before)).toEqual([true, true, true, true]);
});

import { describe, expect, it } from 'vitest';

import { Fleet, HISTORY_TICKS, type ServerRow, shownName, type Snapshot, UNKNOWN } from './fleet';

const FIELDS: Snapshot['fields'] = [
  ['active', 1],
  ['cpu', 1],
  ['load1', 10],
];

function server(id: number, state: number[], name = `s${id}`, tag = ''): ServerRow {
  return [id, name, tag, 0, 0, 'de', 'debian', '12', 'x86_64', 'kvm', '', 100, 0, 0, 10, '0.1.0', state];
}

function fleetOf(...servers: ServerRow[]): Fleet {
  const fleet = new Fleet();
  fleet.applySnapshot({ now: 100, offline_after: 30, fields: FIELDS, servers });
  return fleet;
}

function valuesOf(fleet: Fleet, id: number): number[] | null {
  const row = fleet.row(id);
  return row === undefined ? null : [fleet.value(row, 'active'), fleet.value(row, 'cpu'), fleet.value(row, 'load1')];
}

describe('snapshot', () => {
  it('replaces everything and scales values', () => {
    const fleet = fleetOf(server(1, [0, 50, 15]));
    expect(valuesOf(fleet, 1)).toEqual([0, 50, 1.5]);
    fleet.applySnapshot({ now: 101, offline_after: 30, fields: FIELDS, servers: [server(2, [99, 1, 2])] });
    expect(fleet.size).toBe(1);
    expect(valuesOf(fleet, 1)).toBeNull();
    expect(valuesOf(fleet, 2)).toEqual([99, 1, 0.2]);
  });

  it('keeps the CPU that was seen before it', () => {
    const fleet = fleetOf(server(1, [0, 50, 0]), server(2, [0, 20, 0]));
    fleet.applySnapshot({ now: 101, offline_after: 30, fields: FIELDS, servers: [server(2, [0, 30, 0])] });
    const last = [HISTORY_TICKS - 3, HISTORY_TICKS - 2, HISTORY_TICKS - 1].map((tick) => fleet.cpuAt(0, tick));
    expect(last).toEqual([UNKNOWN, 20, 30]);
  });

  it('passes over fields that are not known', () => {
    const fleet = new Fleet();
    const fields: Snapshot['fields'] = [
      ['new', 1],
      ['cpu', 100],
    ];
    fleet.applySnapshot({ now: 1, offline_after: 30, fields, servers: [server(1, [7, 1234])] });
    fleet.applyChange({ now: 2, rows: [1, 0b11, 8, 4321] });
    expect(fleet.value(0, 'cpu')).toBe(43.21);
  });
});

describe('change', () => {
  it('decodes ids as differences and masks as fields', () => {
    const fleet = fleetOf(server(3, [0, 1, 10]), server(10, [0, 2, 20]), server(12, [0, 3, 30]));
    fleet.applyChange({ now: 101, rows: [3, 0b010, 11, 7, 0b101, 95, 40, 2, 0b110, 33, 50] });
    expect(valuesOf(fleet, 3)).toEqual([0, 11, 1]);
    expect(valuesOf(fleet, 10)).toEqual([95, 2, 4]);
    expect(valuesOf(fleet, 12)).toEqual([0, 33, 5]);
    expect(fleet.now).toBe(101);
  });

  it('applies gone, then servers, then rows', () => {
    const fleet = fleetOf(server(1, [0, 1, 0]), server(2, [0, 2, 0]));
    fleet.applyChange({ now: 101, gone: [1, 2], servers: [server(2, [0, 7, 0], 'again')], rows: [2, 0b010, 8] });
    expect(fleet.size).toBe(1);
    expect(fleet.factsAt(0).name).toBe('again');
    expect(valuesOf(fleet, 2)).toEqual([0, 8, 0]);
  });

  it('passes over values of a server that is not known, and goes on behind them', () => {
    const fleet = fleetOf(server(5, [0, 1, 0]));
    fleet.applyChange({ now: 101, rows: [4, 0b111, 1, 2, 3, 1, 0b010, 9] });
    expect(valuesOf(fleet, 5)).toEqual([0, 9, 0]);
    expect(fleet.size).toBe(1);
  });

  it('moves the last server into the place of the one that goes', () => {
    const fleet = fleetOf(server(1, [0, 1, 0]), server(2, [0, 2, 0]), server(3, [0, 3, 0]));
    fleet.applyChange({ now: 101, gone: [1] });
    expect([valuesOf(fleet, 1), valuesOf(fleet, 2), valuesOf(fleet, 3)]).toEqual([null, [0, 2, 0], [0, 3, 0]]);
    fleet.applyChange({ now: 102, gone: [3] });
    expect([valuesOf(fleet, 2), valuesOf(fleet, 3)]).toEqual([[0, 2, 0], null]);
  });

  it('has room for servers that come later', () => {
    const fleet = fleetOf();
    for (let id = 1; id <= 300; id += 1) fleet.applyChange({ now: id, servers: [server(id, [0, id % 100, 0])] });
    fleet.applyChange({ now: 301, rows: [300, 0b010, 77] });
    expect(valuesOf(fleet, 1)).toEqual([0, 1, 0]);
    expect(valuesOf(fleet, 300)).toEqual([0, 77, 0]);
  });

  it('counts changes of those fields only that changed', () => {
    const fleet = fleetOf(server(1, [0, 1, 0]));
    const [cpu, load, structure] = [fleet.version('cpu'), fleet.version('load1'), fleet.structure];
    fleet.applyChange({ now: 101, rows: [1, 0b010, 5] });
    expect([fleet.version('cpu'), fleet.version('load1'), fleet.structure]).toEqual([cpu + 1, load, structure]);
  });
});

it('totals those online', () => {
  const fleet = fleetOf(server(1, [0, 10, 0]), server(2, [0, 30, 0]), server(3, [50, 99, 0]));
  expect(fleet.totals()).toMatchObject({ servers: 3, online: 2, cpu: 20 });
  expect(fleetOf().totals().cpu).toBeNaN();
});

it('lists each tag once', () => {
  const fleet = fleetOf(
    server(1, [0], 'a', 'web'),
    server(2, [0], 'b', 'db'),
    server(3, [0], 'c', 'web'),
    server(4, [0]),
  );
  expect(fleet.tags()).toEqual(['db', 'web']);
});

it('keeps no more ticks of CPU than it says', () => {
  const fleet = fleetOf(server(1, [0, 0, 0]));
  for (let tick = 1; tick <= 70; tick += 1) fleet.applyChange({ now: 100 + tick, rows: [1, 0b010, tick] });
  expect([fleet.cpuAt(0, 0), fleet.cpuAt(0, HISTORY_TICKS - 1)]).toEqual([11, 70]);
});

describe('the CPU of the last minute', () => {
  const lastOf = (fleet: Fleet, count: number, row = 0): number[] =>
    Array.from({ length: count }, (_, index) => fleet.cpuAt(row, HISTORY_TICKS - count + index));

  it('goes by time: what did not change is held, and what nobody heard is unknown', () => {
    const fleet = fleetOf(server(1, [0, 10, 0]));
    fleet.applyChange({ now: 103, rows: [1, 0b010, 40] });
    expect(lastOf(fleet, 4)).toEqual([10, 10, 10, 40]);
    fleet.passQuietly(105);
    expect([lastOf(fleet, 3), fleet.now]).toEqual([[40, 40, 40], 105]);
    const { gaps } = fleet;
    fleet.applySnapshot({ now: 108, offline_after: 30, fields: FIELDS, servers: [server(1, [0, 50, 0])] });
    expect([lastOf(fleet, 4), fleet.gaps]).toEqual([[40, UNKNOWN, UNKNOWN, 50], gaps + 1]);
    fleet.applySnapshot({ now: 109, offline_after: 30, fields: FIELDS, servers: [server(1, [0, 60, 0])] });
    expect(fleet.gaps, 'a snapshot that follows at once leaves no gap').toBe(gaps + 1);
  });

  it('writes a second once, and goes on when a clock steps back', () => {
    const fleet = fleetOf(server(1, [0, 1, 0]));
    for (const [now, cpu] of [
      [100, 2],
      [101, 3],
      [50, 4],
      [51, 5],
    ] as const) {
      fleet.applyChange({ now, rows: [1, 0b010, cpu] });
    }
    expect(lastOf(fleet, 3)).toEqual([2, 4, 5]);
  });

  it('is filled from what was reported, and keeps what was seen', () => {
    const fleet = fleetOf(server(1, [0, 50, 0]), server(2, [99, 0, 0]));
    fleet.applyChange({ now: 101, rows: [1, 0b010, 60] });
    fleet.recallCpu(1, [30, 90, 91, 95.5, 100, 300], [7, 5, null, 9, 99, 1]);
    expect(lastOf(fleet, 13)).toEqual([UNKNOWN, 5, 5, 5, 5, 5, 9, 9, 9, 9, 9, 50, 60].slice(-13));
  });

  it('holds a report for as long as a server without one counts as online, from before the first tick on', () => {
    const fleet = fleetOf(server(1, [0, 50, 0]));
    fleet.recallCpu(1, [40, 80], [20, 30]);
    // Ticks are the seconds 41 to 100.
    expect([0, 28, 29, 38, 39, 58, 59].map((tick) => fleet.cpuAt(0, tick))).toEqual([
      20,
      20,
      UNKNOWN,
      UNKNOWN,
      30,
      30,
      50,
    ]);
    fleet.recallCpu(9, [80], [1]);
  });
});

it('names a server whose name cannot be seen by its id', () => {
  const names = ['', '   ', '\u200b\u202e', '\n\u0007', 'a', ' 香 '];
  expect(names.map((name) => shownName(7, name))).toEqual(['#7', '#7', '#7', '#7', 'a', ' 香 ']);
  expect(fleetOf(server(3, [0], ' ')).factsAt(0).name).toBe('#3');
});

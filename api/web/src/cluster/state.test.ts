import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { type ClusterState, lagOf, SYNC_IS_SAFE, syncOf, troubleOf } from './state';

const WELL: ClusterState = {
  name: 'main',
  hub_id: 'hub-a',
  not_ready: null,
  broker: 'broker-a',
  lease_s: 6,
  brokers: [{ name: 'broker-a', version: '2.15.1', is_synced: true }],
  is_sync_stated: false,
  warnings: [],
  missing_copies: null,
  hubs: [{ hub_id: 'hub-a', runs: true, renewed_s: 1 }],
  alerts_hub_id: 'hub-a',
  registry_applied: 4,
  registry_lag_messages: 0,
  partitions: [
    { partition: 0, applied: 9, lag_messages: 0, lag_s: 0 },
    { partition: 1, applied: 7, lag_messages: 1, lag_s: 0.2 },
  ],
};

function lagging(seconds: number): ClusterState {
  return { ...WELL, partitions: [{ partition: 0, applied: 9, lag_messages: 40, lag_s: seconds }, ...WELL.partitions] };
}

it('tells the worst of what is wrong, and nothing of a hub that is well', () => {
  expect(troubleOf(WELL)).toBeNull();
  expect(troubleOf(lagging(2.9))).toBeNull();
  expect(troubleOf(lagging(3))).toEqual({ what: 'lags', seconds: 3 });
  const unsafe = { warnings: ['a broker does not sync'], missing_copies: 'a stream has 2 of its 3 copies' };
  expect(troubleOf({ ...WELL, missing_copies: unsafe.missing_copies })).toEqual({ what: 'copies' });
  expect(troubleOf({ ...WELL, ...unsafe })).toEqual({ what: 'unsafe' });
  expect(troubleOf({ ...lagging(3), ...unsafe })).toEqual({ what: 'lags', seconds: 3 });
  expect(troubleOf({ ...lagging(5), lease_s: 0 })).toEqual({ what: 'no-majority' });
  expect(troubleOf({ ...lagging(12), lease_s: 0, not_ready: 'it is behind' })).toEqual({ what: 'not-ready' });
});

it('is as far behind as its slowest partition', () => {
  expect(lagOf(lagging(4))).toBe(4);
  expect(lagOf({ ...WELL, partitions: [] })).toBe(0);
});

it('believes a broker more than the operator', () => {
  const sync = (is_synced: boolean | null, is_sync_stated: boolean): string =>
    syncOf({ ...WELL, is_sync_stated }, { name: 'b', version: '2.15.1', is_synced });
  expect([sync(true, false), sync(false, true), sync(null, true), sync(null, false)]).toEqual([
    'yes',
    'no',
    'stated',
    'unknown',
  ]);
  expect(SYNC_IS_SAFE[syncOf({ ...WELL, is_sync_stated: true }, { name: 'b', version: '2', is_synced: false })]).toBe(
    false,
  );
});

it('has the fields that the hub tells', () => {
  const source = readFileSync(new URL('../../../src/cluster.rs', import.meta.url), 'utf8');
  const fieldsOf = (name: string): string[] => {
    const [, body = ''] = new RegExp(`pub struct ${name} \\{([\\s\\S]*?)\\n\\}`).exec(source) ?? [];
    return Array.from(body.matchAll(/pub (\w+):/g), ([, field = '']) => field);
  };
  expect(fieldsOf('ClusterState')).toEqual(Object.keys(WELL));
  expect(fieldsOf('ClusterBroker')).toEqual(Object.keys(WELL.brokers[0] ?? {}));
  expect(fieldsOf('ClusterHub')).toEqual(Object.keys(WELL.hubs[0] ?? {}));
  expect(fieldsOf('ClusterPartition')).toEqual(Object.keys(WELL.partitions[0] ?? {}));
});

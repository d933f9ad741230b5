import { expect, test } from 'vitest';

import { Fleet } from './fleet';

test('the pace of the newest event counts, and is one when the event has none', () => {
  const fleet = new Fleet();
  fleet.applySnapshot({ now: 1, pace: 10, offline_after: 30, fields: [], servers: [] });
  expect(fleet.pace).toBe(10);
  fleet.applyChange({ now: 2 });
  expect(fleet.pace).toBe(1);
});

import { expect, it } from 'vitest';

import { changed } from './changed';
import { localTime, newSilence, type Silence, silenceBody, silenceDraft, timeZones, unixTime } from './silence';

const NOW_S = 1_790_000_000;

const ONCE: Silence = {
  id: 1,
  comment: 'new disks',
  rules: [2, 3],
  tags: ['db', 'web'],
  ids: [7],
  from: 1_790_000_017,
  to: 1_790_003_617,
  weekly: null,
  created: NOW_S,
  by: 'admin',
  active: true,
};
const WEEKLY: Silence = {
  ...ONCE,
  from: null,
  to: null,
  weekly: { days: ['sat', 'sun'], start: '22:00', end: '24:00', zone: 'Europe/Berlin' },
};

function sent(before: Silence, edit: Partial<ReturnType<typeof silenceDraft>>): unknown {
  const draft = silenceDraft(before, NOW_S, 'UTC');
  return changed(silenceBody(draft), silenceBody({ ...draft, ...edit }));
}

it('sends nothing of a silence that was not changed', () => {
  for (const silence of [ONCE, WEEKLY, { ...WEEKLY, tags: [], ids: [], rules: [] }])
    expect(sent(silence, {})).toEqual({});
});

it('sends what was changed, and the window when it is another', () => {
  expect(sent(ONCE, { comment: ' later ', tags: 'db' })).toEqual({ comment: 'later', tags: ['db'] });
  const to = localTime(1_790_010_000);
  expect(sent(ONCE, { to })).toEqual({ to: unixTime(to) });
  const weekly = { days: ['mon'], start: '01:00', end: '02:30', zone: 'Asia/Shanghai' } as const;
  expect(sent(ONCE, { window: 'weekly', ...weekly, days: [...weekly.days] })).toEqual({ weekly });
  const once = sent(WEEKLY, { window: 'once' });
  expect(Object.keys(once as object)).toEqual(['from', 'to']);
});

it('takes midnight as an end for the end of the day', () => {
  expect(silenceDraft(WEEKLY, NOW_S, 'UTC').end).toBe('00:00');
  const body = silenceBody({ ...newSilence(NOW_S, 'UTC'), window: 'weekly' });
  expect(body.weekly).toEqual({ days: ['sat', 'sun'], start: '00:00', end: '24:00', zone: 'UTC' });
});

it('writes times of the browser, and reads them', () => {
  const whole = NOW_S - (NOW_S % 60);
  for (const time of [0, whole, 4_102_444_800]) expect(unixTime(localTime(time))).toBe(time);
  expect(localTime(whole)).toMatch(/^2026-09-\d\dT\d\d:\d\d$/);
  expect([unixTime(''), unixTime('soon')]).toEqual([null, null]);
});

it('offers the zones of the browser, and the one that is set', () => {
  const zones = timeZones('Mars/Base');
  expect(zones).toEqual(expect.arrayContaining(['UTC', 'Europe/Berlin', 'Asia/Shanghai', 'Mars/Base']));
  expect(new Set(zones).size).toBe(zones.length);
});

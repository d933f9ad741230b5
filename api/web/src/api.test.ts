import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { ANSWER_SILENCE_MAX_MS, ApiError, call, CHANGE_SILENCE_MAX_MS, type Method } from './api';
import { FakeHub } from './testing/fakeHub';

let hub: FakeHub;

beforeEach(() => {
  vi.useFakeTimers();
  hub = new FakeHub();
  vi.stubGlobal('fetch', hub.fetch);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** How a request fails, or what it comes to. */
function outcome(method: Method = 'GET', signal?: AbortSignal): { value: unknown } {
  const seen: { value: unknown } = { value: 'waits' };
  call(method, '/session', signal ? { signal } : {}).then(
    (result) => (seen.value = result),
    (error: unknown) =>
      (seen.value = error instanceof ApiError ? `${error.failure} ${error.code}` : (error as Error).name),
  );
  return seen;
}

it('gives up a hub that never answers, and says of a change that nobody knows', async () => {
  hub.next = 'hangs';
  const [asked, changed] = [outcome(), outcome('POST')];
  await vi.advanceTimersByTimeAsync(ANSWER_SILENCE_MAX_MS - 1000);
  expect(asked.value).toBe('waits');
  await vi.advanceTimersByTimeAsync(2000);
  expect([asked.value, changed.value]).toEqual(['silent 0', 'waits']);
  await vi.advanceTimersByTimeAsync(CHANGE_SILENCE_MAX_MS);
  expect(changed.value).toBe('silent-change 0');
});

it('gives up an answer that stands still, and waits for one that is slow', async () => {
  const [slow] = [outcome()];
  await vi.advanceTimersByTimeAsync(0);
  for (const piece of ['{"code":0,', '"message":"",', '"result":', '7', '}']) {
    await vi.advanceTimersByTimeAsync(ANSWER_SILENCE_MAX_MS - 1000);
    hub.last.say(piece);
  }
  hub.last.end();
  await vi.advanceTimersByTimeAsync(0);
  expect(slow.value).toBe(7);

  const stuck = outcome();
  await vi.advanceTimersByTimeAsync(0);
  hub.last.say('{"code":0,');
  await vi.advanceTimersByTimeAsync(ANSWER_SILENCE_MAX_MS + 1000);
  expect(stuck.value).toBe('silent 0');
});

it('tells what failed', async () => {
  hub.next = 'refuses';
  const away = outcome();
  hub.next = 'answers';
  await vi.advanceTimersByTimeAsync(0);
  const cases: [number, string, unknown][] = [
    [200, '{"code":0,"message":"success","result":[1]}', [1]],
    [403, '{"code":403,"message":"not you"}', 'refused 403'],
    [200, '{"code":403,"message":"as in v0"}', 'refused 403'],
    [502, '<html>Bad Gateway</html>', 'foreign 502'],
    [200, '<html>Sign in to this network</html>', 'foreign 200'],
    [401, '"Basic"', 'foreign 401'],
    [200, 'null', 'foreign 200'],
  ];
  for (const [status, text, expected] of cases) {
    hub.status = status;
    const seen = outcome();
    await vi.advanceTimersByTimeAsync(0);
    hub.last.say(text);
    hub.last.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(seen.value, text).toEqual(expected);
  }
  const broken = outcome();
  await vi.advanceTimersByTimeAsync(0);
  hub.last.say('{"code":0');
  hub.last.fail(new TypeError('network error'));
  await vi.advanceTimersByTimeAsync(0);
  expect([away.value, broken.value]).toEqual(['unreachable 0', 'unreachable 0']);
});

it('ends a request that nobody waits for', async () => {
  hub.next = 'hangs';
  const aborter = new AbortController();
  const seen = outcome('GET', aborter.signal);
  await vi.advanceTimersByTimeAsync(0);
  aborter.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(seen.value).toBe('AbortError');
  const late = outcome('GET', aborter.signal);
  await vi.advanceTimersByTimeAsync(ANSWER_SILENCE_MAX_MS * 2);
  expect(late.value).not.toBe('waits');
});

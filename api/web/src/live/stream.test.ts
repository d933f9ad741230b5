import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { FakeHub } from '../testing/fakeHub';
import { LiveStream, STREAM_SILENCE_MAX_MS } from './stream';

const SNAPSHOT = 'id: 1a-1\nevent: snapshot\ndata: {"now":1,"offline_after":30,"fields":[],"servers":[]}\n\n';
const CHANGE = 'id: 1a-2\nevent: change\ndata: {"now":2}\n\n';

let hub: FakeHub;
let page: EventTarget & { hidden: boolean };
let stream: LiveStream;
/** What the stream said, in its order. */
let said: string[];

beforeEach(() => {
  vi.useFakeTimers();
  hub = new FakeHub();
  page = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal('fetch', hub.fetch);
  vi.stubGlobal('document', page);
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
  said = [];
  stream = new LiveStream(
    {},
    {
      onSnapshot: ({ now }) => said.push(`snapshot ${now}`),
      onChange: ({ now }) => {
        if (now === 666) throw new Error('not to be drawn');
        said.push(`change ${now}`);
      },
      onQuiet: () => said.push('quiet'),
      onState: (state, loss) => said.push(loss === null ? state : `${state}: ${JSON.stringify(loss)}`),
    },
  );
});

afterEach(() => {
  stream.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** What was said since the last time. */
async function after(ms: number): Promise<string[]> {
  await vi.advanceTimersByTimeAsync(ms);
  return said.splice(0);
}

it('hands on what comes, and comes back where it ended', async () => {
  stream.start();
  expect(await after(0)).toEqual(['connecting']);
  hub.last.say(SNAPSHOT);
  hub.last.say(`${CHANGE}:\n\n`);
  expect(await after(0)).toEqual(['open', 'snapshot 1', 'change 2']);
  hub.last.end();
  expect(await after(100)).toEqual(['lost: "ended"']);
  await after(2000);
  expect(hub.urls.at(-1)).toContain('last_event_id=1a-2');
  expect(hub.urls.length).toBe(2);
});

it('is lost when nothing comes any more, and not while the hub says that nothing changes', async () => {
  stream.start();
  await after(0);
  hub.last.say(SNAPSHOT);
  await after(0);
  for (let count = 0; count < 10; count += 1) {
    hub.last.say(':\n\n');
    expect(await after(5000)).toEqual(['quiet']);
  }
  hub.next = 'hangs';
  expect(await after(STREAM_SILENCE_MAX_MS)).toEqual(['lost: "silent"']);
  // It stays lost until something comes, however often it is tried.
  expect(new Set(await after(60_000))).toEqual(new Set(['lost: "silent"']));
  hub.next = 'answers';
  for (const before = hub.answers.length; hub.answers.length === before; ) await after(500);
  hub.last.say(CHANGE);
  expect(await after(0)).toEqual(['open', 'change 2']);
});

it('is lost when it is answered and held back, or cut within an event', async () => {
  stream.start();
  expect(await after(STREAM_SILENCE_MAX_MS + 1000)).toEqual(['connecting', 'lost: "held"']);
  await after(2000);
  hub.last.say(SNAPSHOT.slice(0, 20));
  expect(await after(STREAM_SILENCE_MAX_MS + 1000)).toEqual(['open', 'lost: "silent"']);
});

it('says why it is refused', async () => {
  hub.status = 429;
  stream.start();
  expect(await after(0)).toEqual(['connecting']);
  hub.last.say('{"code":429,"message":"this client has its share"}');
  hub.last.end();
  expect(await after(0)).toEqual(['lost: {"refused":"this client has its share"}']);
  hub.status = 502;
  await after(2000);
  hub.last.say('<html>');
  hub.last.end();
  expect(await after(0)).toEqual(['lost: {"refused":"HTTP 502"}']);
});

it('begins anew after what it could not read', async () => {
  stream.start();
  await after(0);
  hub.last.say(SNAPSHOT + CHANGE);
  hub.last.say('id: 1a-3\nevent: change\ndata: {"now":666}\n\n');
  expect((await after(0)).at(-1)).toBe('lost: "ended"');
  await after(2000);
  expect(hub.urls.at(-1)).not.toContain('last_event_id');
});

it('is closed while nobody looks, and asks once when somebody does again', async () => {
  stream.start();
  await after(0);
  hub.last.say(SNAPSHOT);
  await after(0);
  page.hidden = true;
  page.dispatchEvent(new Event('visibilitychange'));
  expect(await after(3_600_000)).toEqual([]);
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  page.dispatchEvent(new Event('visibilitychange'));
  expect([await after(0), hub.urls.length]).toEqual([['connecting'], 2]);
});

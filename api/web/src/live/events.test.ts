import { expect, it } from 'vitest';

import { EVENT_CHARS_MAX, EventReader } from './events';

const TEXT =
  ':\n\nid: 1a-1\nevent: snapshot\ndata: {"a":": b"}\n\n:\n\nid: 1a-2\nevent: change\ndata: {"香":1}\n\n:\n\n';
const EVENTS = [
  { name: 'snapshot', id: '1a-1', data: '{"a":": b"}' },
  { name: 'change', id: '1a-2', data: '{"香":1}' },
];

it('finds events however the text is cut', () => {
  expect(new EventReader().read(TEXT)).toEqual(EVENTS);
  for (let cut = 0; cut <= TEXT.length; cut += 1) {
    const reader = new EventReader();
    expect([...reader.read(TEXT.slice(0, cut)), ...reader.read(TEXT.slice(cut))], `cut at ${cut}`).toEqual(EVENTS);
  }
  const reader = new EventReader();
  expect([...TEXT].flatMap((character) => reader.read(character))).toEqual(EVENTS);
});

it('takes a comment for no event, and keeps what has no end yet', () => {
  const reader = new EventReader();
  expect(reader.read(':\n\n: alive\n\n')).toEqual([]);
  expect(reader.read('event: change\ndata:1\ndata: 2\n')).toEqual([]);
  expect(reader.read('\n')).toEqual([{ name: 'change', id: '', data: '1\n2' }]);
});

it('gives up an event that never ends', () => {
  const reader = new EventReader();
  const piece = 'x'.repeat(EVENT_CHARS_MAX / 4);
  for (let count = 0; count < 4; count += 1) reader.read(piece);
  expect(() => reader.read('x')).toThrow(RangeError);
});

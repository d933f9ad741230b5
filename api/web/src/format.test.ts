import { expect, it } from 'vitest';

import { ago, bytes, bytesPerSecond, commaSeparated, duration, endOfDay, NOTHING, percent } from './format';

it('shows bytes in three digits', () => {
  const shown = [0, 999, 1000, 1024, 10_240, 1_023_400, 1.5 * 1024 ** 4].map(bytes);
  expect(shown).toEqual(['0 B', '999 B', '0.98 KiB', '1.00 KiB', '10.0 KiB', '999 KiB', '1.50 TiB']);
  expect(bytes(NaN)).toBe(NOTHING);
  expect(bytesPerSecond(2048)).toBe('2.00 KiB/s');
});

it('rounds percent', () => {
  expect([percent(12.5), percent(0), percent(NaN)]).toEqual(['13%', '0%', NOTHING]);
});

it('shows the two largest units of a duration', () => {
  const shown = [5, 65, 3700, 90_000, 86_400 * 200, -1].map(duration);
  expect(shown).toEqual(['5s', '1m', '1h 1m', '1d 1h', '200d', NOTHING]);
});

it('says how long ago in the language', () => {
  expect([ago(5, 'en'), ago(90, 'en'), ago(7300, 'en'), ago(200_000, 'en')]).toEqual([
    '5 seconds ago',
    '1 minute ago',
    '2 hours ago',
    '2 days ago',
  ]);
  expect(ago(90, 'zh-CN')).toBe('1分钟前');
  expect(ago(-3, 'en')).toBe('0 seconds ago');
});

it('separates by commas, each once', () => {
  expect(commaSeparated(' a, b ,,a ')).toEqual(['a', 'b']);
  expect(commaSeparated('')).toEqual([]);
});

it('takes a day to its end', () => {
  const end = endOfDay('2030-01-31');
  expect(new Date((end ?? 0) * 1000).toTimeString().slice(0, 8)).toBe('23:59:59');
  expect(endOfDay('')).toBeNull();
});

import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { PRESETS, presetNamed } from './presets';

it('has the presets of the hub', () => {
  const source = readFileSync(new URL('../../../../engine/src/alert/preset.rs', import.meta.url), 'utf8');
  const [, table = ''] = /PRESETS: \[Preset; \d+\] = \[([\s\S]*?)\n\];/.exec(source) ?? [];
  const text = (entry: string, pattern: RegExp): string => pattern.exec(entry)?.[1] ?? '';
  const hub = table
    .split('Preset {')
    .slice(1)
    .map((entry) => {
      const headers = Array.from(entry.matchAll(/\("([^"]+)", "([^"]+)"\)/g), ([, name, value]) => [name, value]);
      const method = text(entry, /method: Method::(\w+)/).toUpperCase();
      const [url, body] = [text(entry, /url: "([^"]+)"/), text(entry, /body: r#"(.*)"#/)];
      return [text(entry, /name: "([^"]+)"/), { method, url, headers, body }];
    });
  expect(hub.length).toBeGreaterThan(5);
  expect(Object.entries(PRESETS)).toEqual(hub);
});

it('knows a preset from a kind', () => {
  expect(presetNamed('bark')).toBe(PRESETS.bark);
  expect([presetNamed('webhook'), presetNamed('toString')]).toEqual([null, null]);
});

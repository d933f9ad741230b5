import { expect, it } from 'vitest';

import { hrefOf, pathIn, rootOf } from './root';

it('is where the folder of the scripts lies', () => {
  expect(rootOf('http://127.0.0.1:8008/assets/index-abc.js')).toBe('/');
  expect(rootOf('https://example.org/wind/assets/index-abc.js?x=1')).toBe('/wind/');
  expect(rootOf('https://example.org/tools/wind%20fire/assets/a.js')).toBe('/tools/wind%20fire/');
});

it('leads there and back', () => {
  for (const root of ['/', '/wind/', '/a/b/']) {
    for (const path of ['/', '/login', '/server/5', '/api/v1/session']) {
      expect(pathIn(hrefOf(path, root), root)).toBe(path);
    }
  }
  expect(hrefOf('/server/5', '/wind/')).toBe('/wind/server/5');
});

it('knows the root without its slash, and what lies beside it', () => {
  expect(pathIn('/wind', '/wind/')).toBe('/');
  expect(pathIn('/windmill', '/wind/')).toBeNull();
  expect(pathIn('/', '/wind/')).toBeNull();
});

import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { PAGES, routeOf } from './router';

/** Paths that the hub answers with the panel. A page that is missing there cannot be opened by its address. */
function pagesOfTheHub(): string[] {
  const source = readFileSync(new URL('../../src/pages.rs', import.meta.url), 'utf8');
  const list = /const PAGES: \[&str; \d+\] = \[([^\]]*)\]/.exec(source)?.[1] ?? '';
  return Array.from(list.matchAll(/"([^"]+)"/g), ([, path]) => path ?? '');
}

it('knows the pages that the hub serves, and no others', () => {
  expect([...PAGES.keys()].toSorted()).toEqual(pagesOfTheHub().toSorted());
});

it('reads the number of a server from the path', () => {
  expect(routeOf('/server/5/')).toEqual({ page: 'server', id: 5 });
  expect(routeOf('/server/x')).toEqual({ page: 'unknown' });
  expect(routeOf('/other')).toEqual({ page: 'unknown' });
});

import { readFileSync } from 'node:fs';

import { expect, it, vi } from 'vitest';

import { ADMIN_PATHS, ALERT_PATHS, CLUSTER_PATH } from '../e2e/pages';
import { PAGE_NAMES, PAGES } from './pages';
import { routeOf } from './router';

// These two are part of the first script, and need a browser.
vi.mock('./pages/LivePage', () => ({ LivePage: () => null }));
vi.mock('./pages/LoginPage', () => ({ LoginPage: () => null }));

/** Paths that the hub answers with the panel. A page that is missing there cannot be opened by its address. */
function pathsOfTheHub(): string[] {
  const source = readFileSync(new URL('../../src/pages.rs', import.meta.url), 'utf8');
  const list = /const PAGES: \[&str; \d+\] =\s+\[([^\]]*)\]/.exec(source)?.[1] ?? '';
  return Array.from(list.matchAll(/"([^"]+)"/g), ([, path]) => path ?? '');
}

it('knows the pages that the hub serves, and no others', () => {
  const panel = PAGE_NAMES.map((name) => PAGES[name].path);
  const hub = pathsOfTheHub();
  const onlyPanel = panel.filter((path) => !hub.includes(path));
  const onlyHub = hub.filter((path) => !panel.includes(path));
  expect(onlyPanel, 'the hub does not serve these paths: add them to PAGES in api/src/pages.rs').toEqual([]);
  expect(onlyHub, 'no page is at these paths: add one to api/web/src/pages/index.ts').toEqual([]);
});

it('has each page of administrators in the tests in a browser', () => {
  const panel = PAGE_NAMES.map((name) => PAGES[name]).filter(({ opensFor }) => opensFor === 'admins');
  expect([...ADMIN_PATHS, CLUSTER_PATH], 'list the same pages in api/web/e2e/pages.ts').toEqual(
    panel.map(({ path }) => path),
  );
});

it('has each page about alerts in the tests in a browser', () => {
  const panel = PAGE_NAMES.map((name) => PAGES[name]).filter(({ inAlerts }) => inAlerts !== undefined);
  expect(ALERT_PATHS, 'list the same pages in api/web/e2e/pages.ts').toEqual(panel.map(({ path }) => path));
});

it('shows every listed page at its path', () => {
  for (const name of PAGE_NAMES) expect(routeOf(PAGES[name].path)).toEqual({ page: name });
  expect(routeOf('/manage/')).toEqual({ page: 'servers' });
});

it('reads the number of a server from the path', () => {
  expect(routeOf('/server/5/')).toEqual({ page: 'server', id: 5 });
  expect(routeOf('/server/x')).toEqual({ page: 'unknown' });
  expect(routeOf('/other')).toEqual({ page: 'unknown' });
});

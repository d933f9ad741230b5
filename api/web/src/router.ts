import { computed } from '@preact/signals';

import { navigate, path } from './address';
import { pathIn } from './root';

export type Route =
  | { page: 'live' | 'login' | 'tokens' | 'servers' | 'enrolment' | 'users' | 'unknown' }
  | { page: 'server'; id: number };

/** By the page's path; the hub has the same paths in `pages.rs`. */
export const PAGES = new Map<string, Exclude<Route['page'], 'server' | 'unknown'>>([
  ['/', 'live'],
  ['/login', 'login'],
  ['/api', 'tokens'],
  ['/manage', 'servers'],
  ['/enrol', 'enrolment'],
  ['/users', 'users'],
]);

/** The page that a path shows. */
export function routeOf(pathname: string): Route {
  const trimmed = pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname;
  const page = PAGES.get(trimmed);
  if (page) return { page };
  const server = /^\/server\/(\d{1,15})$/.exec(trimmed);
  return server ? { page: 'server', id: Number(server[1]) } : { page: 'unknown' };
}

export const route = computed(() => routeOf(path.value));

/** Follows the address bar, and takes clicks on links to pages of the panel. */
export function startRouter(): void {
  const follow = (): void => {
    path.value = pathIn(location.pathname) ?? location.pathname;
  };
  follow();
  addEventListener('popstate', follow);
  document.addEventListener('click', (event) => {
    const asksForNewTab = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (event.defaultPrevented || asksForNewTab || !link || link.target !== '') return;
    const isHere = link.origin === location.origin && link.hash === '';
    const to = isHere ? pathIn(link.pathname) : null;
    if (to === null || routeOf(to).page === 'unknown') return;
    event.preventDefault();
    navigate(to);
  });
}

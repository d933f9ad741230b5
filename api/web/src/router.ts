import { computed, signal } from '@preact/signals';

export type Route =
  | { page: 'live' | 'login' | 'tokens' | 'servers' | 'enrolment' | 'users' | 'unknown' }
  | { page: 'server'; id: number };

const PAGES = new Map<string, Exclude<Route['page'], 'server' | 'unknown'>>([
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

export const path = signal('/');
export const route = computed(() => routeOf(path.value));

export function navigate(to: string, { replaces = false } = {}): void {
  if (to === path.value) return;
  if (replaces) history.replaceState(null, '', to);
  else history.pushState(null, '', to);
  path.value = to;
  scrollTo(0, 0);
}

/** Follows the address bar, and takes clicks on links to pages of the panel. */
export function startRouter(): void {
  path.value = location.pathname;
  addEventListener('popstate', () => {
    path.value = location.pathname;
  });
  document.addEventListener('click', (event) => {
    const asksForNewTab = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (event.defaultPrevented || asksForNewTab || !link || link.target !== '') return;
    const isHere = link.origin === location.origin && link.hash === '';
    if (!isHere || routeOf(link.pathname).page === 'unknown') return;
    event.preventDefault();
    navigate(link.pathname);
  });
}

import { computed } from '@preact/signals';

import { navigate, path } from './address';
import { PAGE_NAMES, PAGES, type PageName } from './pages';
import { pathIn } from './root';

/** One of the listed pages, or one of the two that have no fixed path. */
export type Route = { page: PageName } | { page: 'server'; id: number } | { page: 'unknown' };

/** The page that a path shows. */
export function routeOf(pathname: string): Route {
  const trimmed = pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname;
  const page = PAGE_NAMES.find((name) => PAGES[name].path === trimmed);
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

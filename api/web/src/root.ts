/**
 * Where the panel lies on its host, with a slash at both ends: "/", or "/wind/" behind a proxy that serves it under a
 * path. Scripts lie one folder below it, so they know without being told.
 */
export const ROOT = rootOf(import.meta.url);

/** The page's icon is named relative to the address, which is going to change. */
export function startRoot(): void {
  document.querySelector('link[rel="icon"]')?.setAttribute('href', hrefOf('/favicon.svg'));
}

export function rootOf(scriptUrl: string): string {
  return new URL('..', scriptUrl).pathname;
}

/** A path of the panel or the hub, which begins with a slash, as this browser reaches it. */
export function hrefOf(path: string, root = ROOT): string {
  return root + path.slice(1);
}

/** What that is in the panel; `null` for what lies beside it. */
export function pathIn(pathname: string, root = ROOT): string | null {
  if (`${pathname}/` === root) return '/';
  return pathname.startsWith(root) ? `/${pathname.slice(root.length)}` : null;
}

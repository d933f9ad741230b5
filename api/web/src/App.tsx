import type { JSX } from 'preact';
import { lazy } from 'preact/compat';
import { useEffect, useRef, useState } from 'preact/hooks';

import { navigate, path } from './address';
import { errorText } from './errors';
import { messages } from './i18n';
import { PAGE_NAMES, PAGES, type PageEntry } from './pages';
import { ClockNotice } from './parts/ClockNotice';
import { Header } from './parts/Header';
import { PageBoundary } from './parts/PageBoundary';
import { Toast } from './parts/Toast';
import { hrefOf } from './root';
import { route, type Route } from './router';
import { askToSignIn, isAmong, isSignedIn, loadSession, session } from './session';

const loadServerPage = () => import('./pages/ServerPage');
const ServerPage = lazy(loadServerPage);

/** The listed pages, and the two that cannot be in a list of fixed paths. */
const FRAMES: Record<Route['page'], Pick<PageEntry, 'title' | 'opensFor'>> = {
  ...PAGES,
  server: { title: (text) => text.server.untitled, opensFor: 'guests' },
  unknown: { title: (text) => text.unknownPage, opensFor: 'guests' },
};

const SESSION_RETRY_MS = 2000;
const LATER_PAGES_AFTER_MS = 3000;

export function App(): JSX.Element {
  const failure = useSession();
  useLaterPages();
  useTitle(route.value);
  const main = useRef<HTMLElement>(null);
  useFocusOnNavigation(main);
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: the address must not change, because it is the page's route */}
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {messages.value.skipToContent}
      </a>
      <Header />
      <ClockNotice />
      <main id="main" ref={main} tabIndex={-1}>
        {session.value === null ? (
          <p class="quiet" role="status">
            {failure === null ? messages.value.loading : failureText(failure)}
          </p>
        ) : (
          // Another page is another try.
          <PageBoundary key={path.value}>
            <Page route={route.value} />
          </PageBoundary>
        )}
      </main>
      <Toast />
    </>
  );
}

function Page({ route }: { route: Route }): JSX.Element {
  const text = messages.value;
  if (!isAmong(FRAMES[route.page].opensFor))
    return isSignedIn.value ? <Nothing title={text.adminsOnly} /> : <ToSignIn />;
  switch (route.page) {
    case 'server':
      return <ServerPage key={route.id} id={route.id} />;
    case 'unknown':
      return <Nothing title={text.unknownPage} />;
    default: {
      const { Content } = PAGES[route.page].view;
      return <Content />;
    }
  }
}

function ToSignIn(): null {
  useEffect(() => askToSignIn(null), []);
  return null;
}

function Nothing({ title }: { title: string }): JSX.Element {
  return (
    <div class="page narrow">
      <h1>{title}</h1>
      <p>
        <a href={hrefOf('/')}>{messages.value.toLivePage}</a>
      </p>
    </div>
  );
}

/** Asks who this is until the hub answers; why it has not yet. */
function useSession(): unknown {
  const [failure, setFailure] = useState<unknown>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = (): void => {
      loadSession().catch((error: unknown) => {
        setFailure(error);
        timer = setTimeout(load, SESSION_RETRY_MS);
      });
    };
    load();
    return () => clearTimeout(timer);
  }, []);

  const current = session.value;
  useEffect(() => {
    if (current?.user != null && path.value === '/login') navigate('/', { replaces: true });
  }, [current]);
  return failure;
}

function failureText(failure: unknown): string {
  const { betweenSentences, tryingAgain } = messages.value;
  return `${errorText(failure)}${betweenSentences}${tryingAgain}`;
}

/** Fetches the other pages ahead: they open at once, and also when the hub is away or newer by then. */
function useLaterPages(): void {
  useEffect(() => {
    const loads = [loadServerPage, ...PAGE_NAMES.flatMap((name) => PAGES[name].view.load ?? [])];
    const timer = setTimeout(() => {
      // What fails here is fetched again when it is needed.
      for (const load of loads) load().catch(() => undefined);
    }, LATER_PAGES_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
}

function useTitle(route: Route): void {
  const title = `${FRAMES[route.page].title(messages.value)} – Windfire`;
  useEffect(() => {
    document.title = title;
  }, [title, path.value]);
}

/** A new page begins at its top for the keyboard and for screen readers too. */
function useFocusOnNavigation(main: { readonly current: HTMLElement | null }): void {
  const shown = useRef(path.value);
  useEffect(() => {
    if (shown.current === path.value) return;
    shown.current = path.value;
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true });
  }, [path.value]);
}

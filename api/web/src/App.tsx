import type { JSX } from 'preact';
import { lazy } from 'preact/compat';
import { useEffect, useRef, useState } from 'preact/hooks';

import { navigate, path } from './address';
import { errorText } from './errors';
import { messages } from './i18n';
import { LivePage } from './pages/LivePage';
import { LoginPage } from './pages/LoginPage';
import { ClockNotice } from './parts/ClockNotice';
import { Header } from './parts/Header';
import { PageBoundary } from './parts/PageBoundary';
import { Toast } from './parts/Toast';
import { hrefOf } from './root';
import { route, type Route } from './router';
import { askToSignIn, isAdmin, isSignedIn, loadSession, session } from './session';

const LATER_PAGES = {
  server: () => import('./pages/ServerPage'),
  tokens: () => import('./pages/TokensPage'),
  servers: () => import('./pages/ManagePage'),
  enrolment: () => import('./pages/EnrolmentPage'),
  users: () => import('./pages/UsersPage'),
};
const ServerPage = lazy(LATER_PAGES.server);
const TokensPage = lazy(LATER_PAGES.tokens);
const ManagePage = lazy(LATER_PAGES.servers);
const EnrolmentPage = lazy(LATER_PAGES.enrolment);
const UsersPage = lazy(LATER_PAGES.users);

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

function Page({ route }: { route: Route }): JSX.Element | null {
  const text = messages.value;
  if (route.page === 'login') return <LoginPage />;
  if (!isSignedIn.value && (needsUser(route) || session.value?.guests !== true)) return <ToSignIn />;
  switch (route.page) {
    case 'live':
      return <LivePage />;
    case 'server':
      return <ServerPage key={route.id} id={route.id} />;
    case 'unknown':
      return <Nothing title={text.unknownPage} />;
    default:
      return isAdmin.value ? <AdminPage page={route.page} /> : <Nothing title={text.adminsOnly} />;
  }
}

function AdminPage({ page }: { page: 'tokens' | 'servers' | 'enrolment' | 'users' }): JSX.Element {
  switch (page) {
    case 'tokens':
      return <TokensPage />;
    case 'servers':
      return <ManagePage />;
    case 'enrolment':
      return <EnrolmentPage />;
    case 'users':
      return <UsersPage />;
  }
}

function needsUser(route: Route): boolean {
  return route.page !== 'live' && route.page !== 'server' && route.page !== 'unknown';
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
    const timer = setTimeout(() => {
      // What fails here is fetched again when it is needed.
      for (const load of Object.values(LATER_PAGES)) load().catch(() => undefined);
    }, LATER_PAGES_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
}

function useTitle(route: Route): void {
  const text = messages.value;
  const titles: Record<Route['page'], string> = {
    live: text.live.title,
    login: text.login.title,
    server: text.server.untitled,
    servers: text.manage.title,
    enrolment: text.enrol.title,
    users: text.users.title,
    tokens: text.tokens.title,
    unknown: text.unknownPage,
  };
  const title = `${titles[route.page]} – Windfire`;
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

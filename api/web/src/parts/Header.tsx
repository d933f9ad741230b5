import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { navigate } from '../address';
import { askFiring } from '../alerts/firing';
import { errorText } from '../errors';
import { chooseLanguage, language, LANGUAGES, type Language, messages } from '../i18n';
import { PAGE_NAMES, PAGES, type PageEntry } from '../pages';
import { hrefOf } from '../root';
import { route } from '../router';
import { isAmong, isSignedIn, session, signOut } from '../session';
import { theme, THEMES } from '../theme';
import { ClusterBadge } from './ClusterBadge';
import { Logo } from './Icons';
import { Menu, type MenuEntry } from './Menu';
import { PasswordDialog } from './PasswordDialog';
import { announce } from './Toast';
import { usePolling } from './usePolling';

const FIRING_INTERVAL_MS = 15_000;

export function Header(): JSX.Element {
  const text = messages.value;
  usePolling(askFiring, FIRING_INTERVAL_MS, isSignedIn.value);
  return (
    <>
      <header class="header">
        <a class="brand" href={hrefOf('/')}>
          <Logo />
          Windfire
        </a>
        <nav aria-label={text.mainNavigation}>
          {linksIn('inNavigation').map(({ path, label, badge, isCurrent }) => (
            <a key={path} href={hrefOf(path)} aria-current={isCurrent ? 'page' : undefined}>
              {label}
              {badge !== undefined && badge.count.value > 0 && <Badge {...badge} />}
            </a>
          ))}
        </nav>
        <ClusterBadge />
        <div class="header-tools">
          <LanguageSwitch />
          <ThemeSwitch />
          {isSignedIn.value ? <AccountMenu /> : <SignInLink />}
        </div>
      </header>
      <AlertLinks />
    </>
  );
}

/** The pages about alerts, on each of them. */
function AlertLinks(): JSX.Element | null {
  const links = linksIn('inAlerts');
  if (!links.some(({ isCurrent }) => isCurrent)) return null;
  return (
    <nav class="page-links" aria-label={messages.value.alerts.navigation}>
      {links.map(({ path, label, isCurrent }) => (
        <a key={path} href={hrefOf(path)} aria-current={isCurrent ? 'page' : undefined}>
          {label}
        </a>
      ))}
    </nav>
  );
}

function Badge({ count, words }: NonNullable<PageEntry['badge']>): JSX.Element {
  return (
    <>
      {' '}
      <span class="badge" aria-hidden="true">
        {count.value}
      </span>
      <span class="off-screen">({words(messages.value)})</span>
    </>
  );
}

interface PageLink {
  path: string;
  label: string;
  badge: PageEntry['badge'];
  isCurrent: boolean;
}

/** The pages that are linked in that place, are of use, and open for this visitor. */
function linksIn(place: 'inNavigation' | 'inAccountMenu' | 'inAlerts'): PageLink[] {
  return PAGE_NAMES.flatMap((name) => {
    const { path, opensFor, badge, isOfUse, [place]: label } = PAGES[name];
    if (label === undefined || !isAmong(opensFor) || isOfUse?.value === false) return [];
    return { path, label: label(messages.value), badge, isCurrent: route.value.page === name };
  });
}

function SignInLink(): JSX.Element | null {
  if (route.value.page === 'login') return null;
  return (
    <a class="button primary small" href={hrefOf('/login')}>
      {messages.value.nav.signIn}
    </a>
  );
}

function LanguageSwitch(): JSX.Element {
  return (
    <select
      class="switch"
      aria-label={messages.value.language}
      value={language.value}
      onChange={(event) => chooseLanguage(event.currentTarget.value as Language)}
    >
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <option key={code} value={code}>
          {name}
        </option>
      ))}
    </select>
  );
}

function ThemeSwitch(): JSX.Element {
  const text = messages.value;
  return (
    <select
      class="switch"
      aria-label={text.theme}
      value={theme.value}
      onChange={(event) => {
        theme.value = THEMES.find((name) => name === event.currentTarget.value) ?? 'auto';
      }}
    >
      {THEMES.map((name) => (
        <option key={name} value={name}>
          {text.themes[name]}
        </option>
      ))}
    </select>
  );
}

function AccountMenu(): JSX.Element {
  const text = messages.value.account;
  const [changesPassword, setChangesPassword] = useState(false);
  const entries: MenuEntry[] = [
    ...linksIn('inAccountMenu').map(({ path, label }) => ({ label, onChoose: () => navigate(path) })),
    { label: text.password, onChoose: () => setChangesPassword(true) },
    { label: text.signOut, onChoose: () => void signOut().catch((error) => announce(errorText(error))) },
  ];
  const [initial = '?'] = session.value?.user ?? '';
  return (
    <>
      <Menu label={text.menu} entries={entries}>
        {initial.toUpperCase()}
      </Menu>
      {changesPassword && <PasswordDialog onClose={() => setChangesPassword(false)} />}
    </>
  );
}

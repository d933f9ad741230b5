import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { navigate } from '../address';
import { errorText } from '../errors';
import { chooseLanguage, language, LANGUAGES, type Language, messages } from '../i18n';
import { hrefOf } from '../root';
import { route, type Route } from '../router';
import { isAdmin, isSignedIn, session, signOut } from '../session';
import { theme, THEMES } from '../theme';
import { Logo } from './Icons';
import { Menu, type MenuEntry } from './Menu';
import { PasswordDialog } from './PasswordDialog';
import { announce } from './Toast';

export function Header(): JSX.Element {
  const text = messages.value;
  const mayLook = isSignedIn.value || session.value?.guests === true;
  return (
    <header class="header">
      <a class="brand" href={hrefOf('/')}>
        <Logo />
        Windfire
      </a>
      <nav aria-label={text.mainNavigation}>
        {mayLook && <NavLink href="/" page="live" label={text.nav.live} />}
        {isAdmin.value && (
          <>
            <NavLink href="/manage" page="servers" label={text.nav.servers} />
            <NavLink href="/enrol" page="enrolment" label={text.nav.enrolment} />
            <NavLink href="/users" page="users" label={text.nav.users} />
          </>
        )}
      </nav>
      <div class="header-tools">
        <LanguageSwitch />
        <ThemeSwitch />
        {isSignedIn.value ? <AccountMenu /> : <SignInLink />}
      </div>
    </header>
  );
}

function NavLink({ href, page, label }: { href: string; page: Route['page']; label: string }): JSX.Element {
  return (
    <a href={hrefOf(href)} aria-current={route.value.page === page ? 'page' : undefined}>
      {label}
    </a>
  );
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
    { label: text.home, onChoose: () => navigate('/') },
    ...(isAdmin.value ? [{ label: text.tokens, onChoose: () => navigate('/api') }] : []),
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

import type { ReadonlySignal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { lazy } from 'preact/compat';

import { firingCount } from '../alerts/firing';
import { isInCluster } from '../cluster/store';
import type { Messages } from '../i18n/en';
import type { Access } from '../session';
import { LivePage } from './LivePage';
import { LoginPage } from './LoginPage';

type Words = (text: Messages) => string;

interface View {
  Content: ComponentType;
  /** Fetches the page's script ahead, where it is not part of the first one. */
  load?: () => Promise<unknown>;
}

/** All that the router, the header and the frame around a page need to know of it. */
export interface PageEntry {
  /** The hub lists it too, in `api/src/pages.rs`: otherwise the page has no address that can be reloaded. */
  path: string;
  title: Words;
  opensFor: Access;
  /** The label of its link in the main navigation. Without one there is no link. */
  inNavigation?: Words;
  /** A number beside that label, and what it says; not shown while it is 0. */
  badge?: { count: ReadonlySignal<number>; words: Words };
  /** The same in the account menu. */
  inAccountMenu?: Words;
  /** The same in the row of links that the pages about alerts share. */
  inAlerts?: Words;
  /** Whether the hub has something to show there; without this it always has. Decides about links only. */
  isOfUse?: ReadonlySignal<boolean>;
  view: View;
}

/** A new page is a file in this folder and an entry here. Links are in the order of this list. */
const LIST = {
  live: {
    path: '/',
    title: (text) => text.live.title,
    opensFor: 'guests',
    inNavigation: (text) => text.nav.live,
    inAccountMenu: (text) => text.account.home,
    view: { Content: LivePage },
  },
  login: {
    path: '/login',
    title: (text) => text.login.title,
    opensFor: 'everyone',
    view: { Content: LoginPage },
  },
  alerts: {
    path: '/alerts',
    title: (text) => text.alerts.overview.title,
    opensFor: 'users',
    inNavigation: (text) => text.nav.alerts,
    badge: { count: firingCount, words: (text) => text.alerts.overview.firingCount(firingCount.value) },
    inAlerts: (text) => text.alerts.overview.nav,
    view: later(() => import('./AlertsPage')),
  },
  rules: {
    path: '/rules',
    title: (text) => text.alerts.rules.title,
    opensFor: 'users',
    inAlerts: (text) => text.alerts.rules.nav,
    view: later(() => import('./RulesPage')),
  },
  channels: {
    path: '/channels',
    title: (text) => text.alerts.channels.title,
    opensFor: 'users',
    inAlerts: (text) => text.alerts.channels.nav,
    view: later(() => import('./ChannelsPage')),
  },
  silences: {
    path: '/silences',
    title: (text) => text.alerts.silences.title,
    opensFor: 'users',
    inAlerts: (text) => text.alerts.silences.nav,
    view: later(() => import('./SilencesPage')),
  },
  tokens: {
    path: '/api',
    title: (text) => text.tokens.title,
    opensFor: 'admins',
    inAccountMenu: (text) => text.account.tokens,
    view: later(() => import('./TokensPage')),
  },
  servers: {
    path: '/manage',
    title: (text) => text.manage.title,
    opensFor: 'admins',
    inNavigation: (text) => text.nav.servers,
    view: later(() => import('./ManagePage')),
  },
  enrolment: {
    path: '/enrol',
    title: (text) => text.enrol.title,
    opensFor: 'admins',
    inNavigation: (text) => text.nav.enrolment,
    view: later(() => import('./EnrolmentPage')),
  },
  users: {
    path: '/users',
    title: (text) => text.users.title,
    opensFor: 'admins',
    inNavigation: (text) => text.nav.users,
    view: later(() => import('./UsersPage')),
  },
  cluster: {
    path: '/cluster',
    title: (text) => text.cluster.title,
    opensFor: 'admins',
    inAccountMenu: (text) => text.cluster.title,
    isOfUse: isInCluster,
    view: later(() => import('./ClusterPage')),
  },
} satisfies Record<string, PageEntry>;

export type PageName = keyof typeof LIST;

export const PAGES: Readonly<Record<PageName, PageEntry>> = LIST;
export const PAGE_NAMES = Object.keys(LIST) as PageName[];

/** A page that most visitors do not begin with has its own script. */
function later(load: () => Promise<{ default: ComponentType }>): View {
  return { Content: lazy(load), load };
}

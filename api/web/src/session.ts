import { computed, signal } from '@preact/signals';

import { navigate, path } from './address';
import { call, setCsrfToken, whenSessionEnds } from './api';

export type Role = 'admin' | 'viewer';

/** Bounds of what the hub takes. */
export interface Limits {
  password_chars_min: number;
  password_chars_max: number;
  /** Servers that one request changes. */
  servers_per_change_max: number;
}

export interface Session {
  user: string | null;
  role: Role | null;
  csrf: string | null;
  /** Guests may see servers that are not hidden. */
  guests: boolean;
  version: string;
  limits: Limits;
}

/** Who may open a page. Users are signed in. Guests are users too, and all visitors while the hub lets guests in. */
export type Access = 'everyone' | 'guests' | 'users' | 'admins';

/** Why the sign-in page shows, where that needs saying. */
export type SignInReason = 'expired' | 'signed-out';

/** `null` until the hub has said who this is. */
export const session = signal<Session | null>(null);
export const signInReason = signal<SignInReason | null>(null);
/** `null` until the hub has told them. It refuses what is beyond them in any case. */
export const limits = computed((): Limits | null => session.value?.limits ?? null);
export const isAdmin = computed(() => session.value?.role === 'admin');
export const isSignedIn = computed(() => session.value?.user != null);
/** A viewer of other servers than before is somebody else. */
export const identity = computed(() => `${session.value?.user ?? ''}/${session.value?.role ?? ''}`);

/** Whether this visitor may open a page that is for them. */
export function isAmong(access: Access): boolean {
  switch (access) {
    case 'everyone':
      return true;
    case 'guests':
      return isSignedIn.value || session.value?.guests === true;
    case 'users':
      return isSignedIn.value;
    case 'admins':
      return isAdmin.value;
  }
}

let returnPath = '/';

function accept(next: Session): void {
  setCsrfToken(next.csrf);
  session.value = next;
}

export async function loadSession(): Promise<void> {
  accept(await call<Session>('GET', '/session'));
}

export async function signIn(user: string, password: string): Promise<void> {
  accept(await call<Session>('POST', '/session', { body: { user, password }, keeps401: true }));
  signInReason.value = null;
  navigate(returnPath, { replaces: true });
  returnPath = '/';
}

export async function signOut(): Promise<void> {
  signInReason.value = 'signed-out';
  try {
    await call<null>('DELETE', '/session', { keeps401: true });
  } catch (error) {
    signInReason.value = null;
    throw error;
  }
  await loadSession();
  returnPath = '/';
  askToSignIn('signed-out');
}

export async function changePassword(old: string, next: string): Promise<void> {
  await call<null>('PUT', '/session/password', { body: { old, new: next }, keeps401: true });
  // The hub may have made a new session for this browser.
  await loadSession();
}

/** Shows the sign-in page, and comes back to this one afterwards. */
export function askToSignIn(reason: SignInReason | null): void {
  // The hub ends the live stream along with the session; who signs out need not be told that it ended.
  if (reason === 'expired' && signInReason.value === 'signed-out') return;
  if (path.value !== '/login' && reason !== 'signed-out') returnPath = path.value;
  signInReason.value = reason;
  navigate('/login');
}

whenSessionEnds(() => {
  const current = session.value;
  if (current?.user == null) return;
  accept({ ...current, user: null, role: null, csrf: null });
  askToSignIn('expired');
});

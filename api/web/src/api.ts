import { hrefOf } from './root';
import { Watchdog } from './watchdog';

/** What the hub answers with on every route. */
export interface Envelope<T> {
  code: number;
  message: string;
  result: T;
}

/**
 * Why there is no answer to work with: the hub refused; there is no way to it; it (or what lies between) took the request
 * and says nothing, which of a change means that nobody knows; or something else answered in its place.
 */
export type Failure = 'refused' | 'unreachable' | 'silent' | 'silent-change' | 'foreign';

/** What `fetch` and its answer came to. `code` is the hub's, else the HTTP status, else 0. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly failure: Failure = 'refused',
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface CallOptions {
  body?: unknown;
  /** A 401 says something about what was sent (a wrong password), not that the session ended. */
  keeps401?: boolean;
  signal?: AbortSignal;
}

/** Silence within an answer after which it is given up. */
export const ANSWER_SILENCE_MAX_MS = 15_000;
/** The same of a change: it waits for the hub's disk, and giving it up leaves open whether it was made. */
export const CHANGE_SILENCE_MAX_MS = 30_000;

let csrfToken: string | null = null;
let onSessionEnded: () => void = () => undefined;

export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

export function whenSessionEnds(callback: () => void): void {
  onSessionEnded = callback;
}

/** Asks the hub; the `result` of its answer. */
export async function call<T>(method: Method, path: string, options: CallOptions = {}): Promise<T> {
  return (await callWhole<Envelope<T>>(method, path, options)).result;
}

/** Asks the hub; its whole answer, for routes that say something beside `result`. */
export async function callWhole<A extends { code: number; message: string }>(
  method: Method,
  path: string,
  options: CallOptions = {},
): Promise<A> {
  const { answer, text } = await exchange(method, path, options);
  const body = parsed<A>(text);
  if (answer.ok && body?.code === 0) return body;
  if (body === null) throw new ApiError(answer.status, `HTTP ${answer.status}`, 'foreign', retryAfterS(answer));

  const code = body.code || answer.status;
  if (code === 401 && !options.keeps401) onSessionEnded();
  throw new ApiError(code, body.message, 'refused', retryAfterS(answer));
}

/** One request and all of its answer, given up when nothing comes any more. */
async function exchange(
  method: Method,
  path: string,
  options: CallOptions,
): Promise<{ answer: Response; text: string }> {
  const isChange = method !== 'GET';
  const aborter = new AbortController();
  const abort = (): void => aborter.abort();
  let isSilent = false;
  const watchdog = new Watchdog(isChange ? CHANGE_SILENCE_MAX_MS : ANSWER_SILENCE_MAX_MS, () => {
    isSilent = true;
    abort();
  });
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener('abort', abort);
  try {
    const answer = await fetch(hrefOf(`/api/v1${path}`), { ...requestOf(method, options), signal: aborter.signal });
    watchdog.heard();
    return { answer, text: await textOf(answer, () => watchdog.heard()) };
  } catch (error) {
    if (options.signal?.aborted) throw error;
    if (!isSilent) throw new ApiError(0, 'the hub cannot be reached', 'unreachable');
    throw new ApiError(0, 'the hub does not answer', isChange ? 'silent-change' : 'silent');
  } finally {
    watchdog.stop();
    options.signal?.removeEventListener('abort', abort);
  }
}

function requestOf(method: Method, { body }: CallOptions): RequestInit {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (method !== 'GET' && csrfToken !== null) headers['X-CSRF-Token'] = csrfToken;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  return {
    method,
    headers,
    credentials: 'same-origin',
    cache: 'no-store',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

async function textOf(answer: Response, onPiece: () => void): Promise<string> {
  const reader = answer.body?.getReader();
  if (!reader) return '';
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    onPiece();
    text += decoder.decode(value, { stream: true });
  }
}

/** `null` for what is not the hub's: a proxy's error page, or the sign-in page of a network. */
function parsed<A extends { code: number; message: string }>(text: string): A | null {
  try {
    const body = JSON.parse(text) as Partial<A> | null;
    return typeof body?.code === 'number' && typeof body.message === 'string' ? (body as A) : null;
  } catch {
    return null;
  }
}

function retryAfterS(answer: Response): number | null {
  const seconds = Number(answer.headers.get('Retry-After') ?? NaN);
  return Number.isFinite(seconds) ? seconds : null;
}

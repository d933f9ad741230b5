/** What the hub answers with on every route. */
export interface Envelope<T> {
  code: number;
  message: string;
  result: T;
}

/** A refusal by the hub, or `code` 0 when it could not be reached at all. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    message: string,
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
  const answer = await send(method, path, options);
  const body = await bodyOf<A>(answer);
  if (answer.ok && body?.code === 0) return body;

  const code = body?.code || answer.status;
  if (code === 401 && !options.keeps401) onSessionEnded();
  throw new ApiError(code, body?.message ?? `HTTP ${answer.status}`, retryAfterS(answer));
}

async function send(method: Method, path: string, options: CallOptions): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (method !== 'GET' && csrfToken !== null) headers['X-CSRF-Token'] = csrfToken;
  const request: RequestInit = { method, headers, credentials: 'same-origin', cache: 'no-store' };
  if (options.signal) request.signal = options.signal;
  if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(options.body);
  }
  try {
    return await fetch(`/api/v1${path}`, request);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'the hub cannot be reached');
  }
}

async function bodyOf<A>(answer: Response): Promise<A | null> {
  try {
    return (await answer.json()) as A;
  } catch {
    // A proxy's error page: the status says what there is to say.
    return null;
  }
}

function retryAfterS(answer: Response): number | null {
  const seconds = Number(answer.headers.get('Retry-After') ?? NaN);
  return Number.isFinite(seconds) ? seconds : null;
}

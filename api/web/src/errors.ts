import { ApiError } from './api';
import { messages } from './i18n';

/** What to tell people about a failure. */
export function errorText(error: unknown): string {
  const text = messages.value;
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  return error.code === 0 ? text.hubUnreachable : text.failed(error.message);
}

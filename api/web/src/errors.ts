import { ApiError } from './api';
import { messages } from './i18n';

/** What to tell people about a failure. */
export function errorText(error: unknown): string {
  const text = messages.value;
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  switch (error.failure) {
    case 'refused':
      return text.failed(error.message);
    case 'unreachable':
      return text.hubUnreachable;
    case 'silent':
      return text.hubSilent;
    case 'silent-change':
      return text.hubSilentChange;
    case 'foreign':
      return text.notTheHub(error.code);
  }
}

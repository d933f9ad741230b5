import type { JSX } from 'preact';

import { messages } from '../i18n';
import { Alert } from './Alert';
import type { Resource } from './useResource';

/** Says that something loads or failed to; nothing once it is there. */
export function ResourceState<T>({ resource }: { resource: Resource<T> }): JSX.Element | null {
  const text = messages.value;
  if (resource.error !== null) {
    return (
      <Alert>
        {resource.error}{' '}
        <button type="button" class="button small" onClick={() => void resource.reload()}>
          {text.retry}
        </button>
      </Alert>
    );
  }
  return resource.data === null ? <p class="quiet">{text.loading}</p> : null;
}

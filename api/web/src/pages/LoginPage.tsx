import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { ApiError } from '../api';
import { errorText } from '../errors';
import { messages } from '../i18n';
import { Alert } from '../parts/Alert';
import { Field } from '../parts/Field';
import { PasswordField } from '../parts/PasswordDialog';
import { signIn, signInReason } from '../session';

export function LoginPage(): JSX.Element {
  const text = messages.value.login;
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setError(null);
    try {
      await signIn(user, password);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };

  return (
    <div class="page login">
      <h1>{text.title}</h1>
      <p class="quiet" role="status">
        {reasonText()}
      </p>
      <form class="form" onSubmit={submit}>
        <Field label={text.user}>
          {(attributes) => (
            <input
              {...attributes}
              type="text"
              required
              autocomplete="username"
              autocapitalize="none"
              spellcheck={false}
              onInput={(event) => setUser(event.currentTarget.value)}
            />
          )}
        </Field>
        <PasswordField label={text.password} autocomplete="current-password" onInput={setPassword} />
        {error !== null && <Alert>{signInErrorText(error)}</Alert>}
        <button type="submit" class="button primary" aria-busy={isBusy}>
          {text.submit}
        </button>
      </form>
    </div>
  );
}

function reasonText(): string {
  const text = messages.value.login;
  switch (signInReason.value) {
    case 'expired':
      return text.expired;
    case 'signed-out':
      return text.signedOut;
    case null:
      return '';
  }
}

function signInErrorText(error: unknown): string {
  const text = messages.value.login;
  if (!(error instanceof ApiError) || error.failure !== 'refused') return errorText(error);
  if (error.code === 401) return text.wrong;
  if (error.code === 429) {
    return error.retryAfterS === null ? text.lockedLater : text.locked(error.retryAfterS);
  }
  return errorText(error);
}

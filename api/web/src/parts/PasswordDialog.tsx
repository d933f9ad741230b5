import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { ApiError } from '../api';
import { messages } from '../i18n';
import { changePassword, limits, session } from '../session';
import { Field } from './Field';
import { FormDialog } from './FormDialog';
import { announce } from './Toast';

/** Changes the password of who is signed in. */
export function PasswordDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const text = messages.value;
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const [repeated, setRepeated] = useState('');

  const submit = async (): Promise<void> => {
    if (next !== repeated) throw new Error(text.password.differ);
    try {
      await changePassword(old, next);
    } catch (error) {
      throw error instanceof ApiError && error.failure === 'refused' && error.code === 401
        ? new Error(text.password.wrong)
        : error;
    }
    onClose();
    announce(text.password.changed);
  };

  return (
    <FormDialog title={text.password.title} submitLabel={text.save} onSubmit={submit} onClose={onClose}>
      <input
        class="off-screen"
        type="text"
        autocomplete="username"
        value={session.value?.user ?? ''}
        readOnly
        tabIndex={-1}
        aria-hidden="true"
      />
      <PasswordField label={text.password.old} autocomplete="current-password" onInput={setOld} />
      <PasswordField
        label={text.password.new}
        hint={passwordHint()}
        isNew
        autocomplete="new-password"
        onInput={setNext}
      />
      <PasswordField label={text.password.repeat} isNew autocomplete="new-password" onInput={setRepeated} />
    </FormDialog>
  );
}

/** What the hub takes as a new password, in words. */
export function passwordHint(): string {
  const bounds = limits.value;
  return bounds ? messages.value.users.passwordHint(bounds.password_chars_min, bounds.password_chars_max) : '';
}

interface PasswordFieldProps {
  label: string;
  hint?: string;
  autocomplete: 'current-password' | 'new-password';
  /** Is held to the rules for passwords. */
  isNew?: boolean;
  onInput: (password: string) => void;
}

export function PasswordField({ label, hint, autocomplete, isNew = false, onInput }: PasswordFieldProps): JSX.Element {
  const bounds = isNew ? limits.value : null;
  return (
    <Field label={label} {...(hint === undefined ? {} : { hint })}>
      {(attributes) => (
        <input
          {...attributes}
          type="password"
          required
          autocomplete={autocomplete}
          minLength={bounds?.password_chars_min}
          maxLength={bounds?.password_chars_max}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { call } from '../api';
import { errorText } from '../errors';
import { dateTime } from '../format';
import { languageTag, messages } from '../i18n';
import { Alert } from '../parts/Alert';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { Field } from '../parts/Field';
import { FormDialog } from '../parts/FormDialog';
import { PlusIcon, TrashIcon } from '../parts/Icons';
import { PasswordField } from '../parts/PasswordDialog';
import { ResourceState } from '../parts/ResourceState';
import { announce } from '../parts/Toast';
import { useResource } from '../parts/useResource';
import { type Role, session } from '../session';

interface User {
  id: number;
  name: string;
  role: Role;
  created: number;
}

type Open = { dialog: 'add' } | { dialog: 'password' | 'remove'; user: User };

const ROLES: readonly Role[] = ['admin', 'viewer'];

export default function UsersPage(): JSX.Element {
  const text = messages.value.users;
  const users = useResource(() => call<User[]>('GET', '/user'));
  const [open, setOpen] = useState<Open | null>(null);
  const close = (): void => setOpen(null);

  const finish = async (said: string): Promise<void> => {
    close();
    announce(said);
    await users.reload();
  };

  return (
    <div class="page">
      <div class="page-head">
        <h1>{text.title}</h1>
        <button type="button" class="button primary" onClick={() => setOpen({ dialog: 'add' })}>
          <PlusIcon />
          {text.add}
        </button>
      </div>
      <ResourceState resource={users} />
      {users.data !== null && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{text.name}</th>
                <th scope="col">{text.role}</th>
                <th scope="col">{text.created}</th>
                <th scope="col">
                  <span class="off-screen">{messages.value.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {users.data.map((user) => (
                <UserRow
                  key={user.id}
                  user={user}
                  onRoleChanged={() => finish(text.roleChanged)}
                  onPassword={() => setOpen({ dialog: 'password', user })}
                  onRemove={() => setOpen({ dialog: 'remove', user })}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open?.dialog === 'add' && <AddDialog onClose={close} onAdded={() => finish(messages.value.manage.saved)} />}
      {open?.dialog === 'password' && (
        <SetPasswordDialog user={open.user} onClose={close} onSet={() => finish(text.passwordSet)} />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeQuestion(open.user.name)}
          onConfirm={async () => {
            await call<null>('DELETE', `/user/${open.user.id}`);
            await finish(text.removed);
          }}
          onClose={close}
        />
      )}
    </div>
  );
}

interface UserRowProps {
  user: User;
  onRoleChanged: () => Promise<void>;
  onPassword: () => void;
  onRemove: () => void;
}

function UserRow({ user, onRoleChanged, onPassword, onRemove }: UserRowProps): JSX.Element {
  const text = messages.value.users;
  const [error, setError] = useState<string | null>(null);

  const changeRole = async (select: HTMLSelectElement): Promise<void> => {
    setError(null);
    try {
      await call<null>('PATCH', `/user/${user.id}`, { body: { role: select.value } });
      await onRoleChanged();
    } catch (failure) {
      select.value = user.role;
      setError(errorText(failure));
    }
  };

  return (
    <tr>
      <td class="breakable">
        {user.name}
        {user.name === session.value?.user && <span class="chip">{text.you}</span>}
      </td>
      <td>
        <select
          aria-label={text.roleOf(user.name)}
          value={user.role}
          onChange={(event) => void changeRole(event.currentTarget)}
        >
          <RoleOptions />
        </select>
        {error !== null && <Alert>{error}</Alert>}
      </td>
      <td>{dateTime(user.created, languageTag.value)}</td>
      <td class="row-actions">
        <button type="button" class="button small" aria-label={text.setPasswordFor(user.name)} onClick={onPassword}>
          {text.setPassword}
        </button>
        <button type="button" class="icon-button danger" aria-label={text.removeNamed(user.name)} onClick={onRemove}>
          <TrashIcon />
        </button>
      </td>
    </tr>
  );
}

function RoleOptions(): JSX.Element {
  return (
    <>
      {ROLES.map((role) => (
        <option key={role} value={role}>
          {messages.value.users.roles[role]}
        </option>
      ))}
    </>
  );
}

function AddDialog({ onAdded, onClose }: { onAdded: () => Promise<void>; onClose: () => void }): JSX.Element {
  const text = messages.value;
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState<Role>('viewer');

  const submit = async (): Promise<void> => {
    await call<{ id: number }>('POST', '/user', { body: { name: name.trim(), password, role } });
    await onAdded();
  };

  return (
    <FormDialog title={text.users.add} submitLabel={text.add} onSubmit={submit} onClose={onClose}>
      <Field label={text.users.name}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            required
            data-autofocus
            autocomplete="off"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
      </Field>
      <PasswordField
        label={text.users.password}
        hint={text.users.passwordHint}
        isNew
        autocomplete="new-password"
        onInput={setPassword}
      />
      <Field label={text.users.role}>
        {(attributes) => (
          <select
            {...attributes}
            value={role}
            onChange={(event) => setRole(event.currentTarget.value === 'admin' ? 'admin' : 'viewer')}
          >
            <RoleOptions />
          </select>
        )}
      </Field>
    </FormDialog>
  );
}

interface SetPasswordDialogProps {
  user: User;
  onSet: () => Promise<void>;
  onClose: () => void;
}

function SetPasswordDialog({ user, onSet, onClose }: SetPasswordDialogProps): JSX.Element {
  const text = messages.value;
  const [password, setPassword] = useState('');
  const submit = async (): Promise<void> => {
    await call<null>('PATCH', `/user/${user.id}`, { body: { password } });
    await onSet();
  };
  return (
    <FormDialog
      title={text.users.setPasswordFor(user.name)}
      submitLabel={text.save}
      onSubmit={submit}
      onClose={onClose}
    >
      <PasswordField
        label={text.users.newPassword}
        hint={text.users.passwordHint}
        isNew
        autocomplete="new-password"
        onInput={setPassword}
      />
    </FormDialog>
  );
}

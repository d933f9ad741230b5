import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { call } from '../api';
import { errorText } from '../errors';
import { messages } from '../i18n';
import { Alert } from '../parts/Alert';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { type Column, DataTable, dateOrNever, type RowAction } from '../parts/DataTable';
import { Field } from '../parts/Field';
import { FormDialog } from '../parts/FormDialog';
import { TrashIcon } from '../parts/Icons';
import { PasswordField, passwordHint } from '../parts/PasswordDialog';
import { ResourcePage } from '../parts/ResourcePage';
import { useDialog } from '../parts/useDialog';
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
  const { open, show, close, finish } = useDialog<Open>(users.reload);

  const remove = async ({ id }: User): Promise<void> => {
    await call<null>('DELETE', `/user/${id}`);
    await finish(text.removed);
  };
  const columns: Column<User>[] = [
    { title: text.name, isBreakable: true, cell: ({ name }) => <UserName name={name} /> },
    { title: text.role, cell: (user) => <RoleSelect user={user} onChanged={() => finish(text.roleChanged)} /> },
    { title: text.created, cell: ({ created }) => dateOrNever(created) },
  ];
  const actions: RowAction<User>[] = [
    {
      label: ({ name }) => text.setPasswordFor(name),
      face: text.setPassword,
      run: (user) => show({ dialog: 'password', user }),
    },
    {
      label: ({ name }) => text.removeNamed(name),
      face: <TrashIcon />,
      isDangerous: true,
      run: (user) => show({ dialog: 'remove', user }),
    },
  ];

  return (
    <ResourcePage
      title={text.title}
      addLabel={text.add}
      onAdd={() => show({ dialog: 'add' })}
      resource={users}
      list={(rows) => <DataTable rows={rows} columns={columns} actions={actions} />}
    >
      {open?.dialog === 'add' && <AddDialog onClose={close} onAdded={() => finish(messages.value.manage.saved)} />}
      {open?.dialog === 'password' && (
        <SetPasswordDialog user={open.user} onClose={close} onSet={() => finish(text.passwordSet)} />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeQuestion(open.user.name)}
          onConfirm={() => remove(open.user)}
          onClose={close}
        />
      )}
    </ResourcePage>
  );
}

function UserName({ name }: { name: string }): JSX.Element {
  return (
    <>
      {name}
      {name === session.value?.user && <span class="chip">{messages.value.users.you}</span>}
    </>
  );
}

function RoleSelect({ user, onChanged }: { user: User; onChanged: () => Promise<void> }): JSX.Element {
  const [error, setError] = useState<string | null>(null);

  const change = async (select: HTMLSelectElement): Promise<void> => {
    setError(null);
    try {
      await call<null>('PATCH', `/user/${user.id}`, { body: { role: select.value } });
      await onChanged();
    } catch (failure) {
      select.value = user.role;
      setError(errorText(failure));
    }
  };

  return (
    <>
      <select
        aria-label={messages.value.users.roleOf(user.name)}
        value={user.role}
        onChange={(event) => void change(event.currentTarget)}
      >
        <RoleOptions />
      </select>
      {error !== null && <Alert>{error}</Alert>}
    </>
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
        hint={passwordHint()}
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
        hint={passwordHint()}
        isNew
        autocomplete="new-password"
        onInput={setPassword}
      />
    </FormDialog>
  );
}

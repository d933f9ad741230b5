import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { call } from '../api';
import { commaSeparated, endOfDay } from '../format';
import { messages } from '../i18n';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { type Column, DataTable, dateOrNever, Note, type RowAction } from '../parts/DataTable';
import { Checkbox, Field } from '../parts/Field';
import { FormDialog } from '../parts/FormDialog';
import { TrashIcon } from '../parts/Icons';
import { ResourcePage } from '../parts/ResourcePage';
import { SecretDialog } from '../parts/SecretDialog';
import { useDialog } from '../parts/useDialog';
import { useResource } from '../parts/useResource';

const SCOPES = ['read', 'register', 'admin'] as const;
type Scope = (typeof SCOPES)[number];

interface Token {
  id: number;
  note: string;
  scopes: string[];
  tags: string[];
  created: number;
  expires: number | null;
  last_used: number | null;
}

type Open = { dialog: 'add' } | { dialog: 'shown'; token: string } | { dialog: 'delete'; token: Token };

export default function TokensPage(): JSX.Element {
  const text = messages.value.tokens;
  const tokens = useResource(() => call<Token[]>('GET', '/token'));
  const { open, show, close, finish } = useDialog<Open>(tokens.reload);

  const remove = async ({ id }: Token): Promise<void> => {
    await call<null>('DELETE', `/token/${id}`);
    await finish(text.deleted);
  };
  const columns: Column<Token>[] = [
    { title: text.note, cell: ({ note }) => <Note text={note} /> },
    { title: text.scopes, cell: ({ scopes }) => scopes.join(', ') },
    {
      title: text.tags,
      isBreakable: true,
      cell: ({ tags }) => (tags.length === 0 ? text.allServers : tags.join(', ')),
    },
    { title: text.created, cell: ({ created }) => dateOrNever(created) },
    { title: text.lastUsed, cell: ({ last_used }) => dateOrNever(last_used) },
    {
      title: text.expires,
      cell: ({ expires }) => dateOrNever(expires) + (isPast(expires) ? ` (${text.isExpired})` : ''),
    },
  ];
  const actions: RowAction<Token>[] = [
    {
      label: ({ note }) => text.delete(note),
      face: <TrashIcon />,
      isDangerous: true,
      run: (token) => show({ dialog: 'delete', token }),
    },
  ];

  return (
    <ResourcePage
      title={text.title}
      intro={text.intro}
      addLabel={text.add}
      onAdd={() => show({ dialog: 'add' })}
      resource={tokens}
      emptyText={text.none}
      list={(rows) => <DataTable rows={rows} columns={columns} actions={actions} />}
    >
      {open?.dialog === 'add' && (
        <AddDialog
          onClose={close}
          onAdded={(token) => {
            show({ dialog: 'shown', token });
            void tokens.reload();
          }}
        />
      )}
      {open?.dialog === 'shown' && (
        <SecretDialog
          title={text.shownTitle}
          hint={text.shownOnce}
          label={text.token}
          secret={open.token}
          onClose={close}
        />
      )}
      {open?.dialog === 'delete' && (
        <ConfirmDialog
          title={text.deleteTitle}
          question={text.deleteQuestion}
          onConfirm={() => remove(open.token)}
          onClose={close}
        />
      )}
    </ResourcePage>
  );
}

function isPast(unixS: number | null): boolean {
  return unixS !== null && unixS * 1000 < Date.now();
}

function AddDialog({ onAdded, onClose }: { onAdded: (token: string) => void; onClose: () => void }): JSX.Element {
  const text = messages.value;
  const [note, setNote] = useState('');
  const [scopes, setScopes] = useState<readonly Scope[]>(['read']);
  const [tags, setTags] = useState('');
  const [expires, setExpires] = useState('');

  const submit = async (): Promise<void> => {
    if (scopes.length === 0) throw new Error(text.tokens.noScope);
    const body = { note, scopes, tags: commaSeparated(tags), expires: endOfDay(expires) };
    const added = await call<{ id: number; token: string }>('POST', '/token', { body });
    onAdded(added.token);
  };

  return (
    <FormDialog title={text.tokens.addTitle} submitLabel={text.add} onSubmit={submit} onClose={onClose}>
      <Field label={text.tokens.note}>
        {(attributes) => (
          <textarea {...attributes} data-autofocus rows={3} onInput={(event) => setNote(event.currentTarget.value)} />
        )}
      </Field>
      <fieldset>
        <legend>{text.tokens.scopes}</legend>
        {SCOPES.map((scope) => (
          <Checkbox
            key={scope}
            label={text.tokens.scopeNames[scope]}
            isChecked={scopes.includes(scope)}
            onChange={(isChecked) =>
              setScopes(SCOPES.filter((other) => (other === scope ? isChecked : scopes.includes(other))))
            }
          />
        ))}
      </fieldset>
      <Field label={text.tokens.tags} hint={text.tokens.tagsHint}>
        {(attributes) => <input {...attributes} type="text" onInput={(event) => setTags(event.currentTarget.value)} />}
      </Field>
      <Field label={text.tokens.expires} hint={text.tokens.expiresHint}>
        {(attributes) => (
          <input {...attributes} type="date" onInput={(event) => setExpires(event.currentTarget.value)} />
        )}
      </Field>
    </FormDialog>
  );
}

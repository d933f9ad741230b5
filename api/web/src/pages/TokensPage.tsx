import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { call } from '../api';
import { commaSeparated, dateTime, endOfDay } from '../format';
import { languageTag, messages } from '../i18n';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { Checkbox, Field } from '../parts/Field';
import { FormDialog } from '../parts/FormDialog';
import { PlusIcon, TrashIcon } from '../parts/Icons';
import { ResourceState } from '../parts/ResourceState';
import { SecretDialog } from '../parts/SecretDialog';
import { announce } from '../parts/Toast';
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
  const [open, setOpen] = useState<Open | null>(null);
  const close = (): void => setOpen(null);

  const remove = async ({ id }: Token): Promise<void> => {
    await call<null>('DELETE', `/token/${id}`);
    close();
    announce(text.deleted);
    await tokens.reload();
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
      <p class="quiet">{text.intro}</p>
      <ResourceState resource={tokens} />
      {tokens.data?.length === 0 && <p class="quiet">{text.none}</p>}
      {tokens.data !== null && tokens.data.length > 0 && (
        <TokenTable tokens={tokens.data} onDelete={(token) => setOpen({ dialog: 'delete', token })} />
      )}
      {open?.dialog === 'add' && (
        <AddDialog
          onClose={close}
          onAdded={(token) => {
            setOpen({ dialog: 'shown', token });
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
    </div>
  );
}

function TokenTable({ tokens, onDelete }: { tokens: Token[]; onDelete: (token: Token) => void }): JSX.Element {
  const text = messages.value;
  const date = (unixS: number | null): string => (unixS === null ? text.never : dateTime(unixS, languageTag.value));
  return (
    <div class="table-box">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">{text.tokens.note}</th>
            <th scope="col">{text.tokens.scopes}</th>
            <th scope="col">{text.tokens.tags}</th>
            <th scope="col">{text.tokens.created}</th>
            <th scope="col">{text.tokens.lastUsed}</th>
            <th scope="col">{text.tokens.expires}</th>
            <th scope="col">
              <span class="off-screen">{text.actions}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => (
            <tr key={token.id}>
              <td>
                <div class="note" title={token.note}>
                  {token.note}
                </div>
              </td>
              <td>{token.scopes.join(', ')}</td>
              <td class="breakable">{token.tags.length === 0 ? text.tokens.allServers : token.tags.join(', ')}</td>
              <td>{date(token.created)}</td>
              <td>{date(token.last_used)}</td>
              <td>
                {date(token.expires)}
                {token.expires !== null && token.expires * 1000 < Date.now() && ` (${text.tokens.isExpired})`}
              </td>
              <td class="row-actions">
                <button
                  type="button"
                  class="icon-button danger"
                  aria-label={text.tokens.delete(token.note)}
                  onClick={() => onDelete(token)}
                >
                  <TrashIcon />
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
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

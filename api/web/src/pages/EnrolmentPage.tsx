import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { type AgentCommand, agentCommands } from '../agentCommand';
import { call } from '../api';
import { dateTime, endOfDay } from '../format';
import { languageTag, messages } from '../i18n';
import { CommandDialog } from '../parts/CommandDialog';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { Field } from '../parts/Field';
import { FormDialog } from '../parts/FormDialog';
import { PlusIcon, TrashIcon } from '../parts/Icons';
import { ResourceState } from '../parts/ResourceState';
import { announce } from '../parts/Toast';
import { useResource } from '../parts/useResource';

interface EnrolmentToken {
  id: number;
  note: string;
  tag: string;
  uses_left: number | null;
  created: number;
  expires: number | null;
}

type Open =
  | { dialog: 'add' }
  | { dialog: 'shown'; command: AgentCommand }
  | { dialog: 'remove'; token: EnrolmentToken };

export default function EnrolmentPage(): JSX.Element {
  const text = messages.value;
  const tokens = useResource(() => call<EnrolmentToken[]>('GET', '/enrol-token'));
  const [open, setOpen] = useState<Open | null>(null);
  const close = (): void => setOpen(null);

  const remove = async ({ id }: EnrolmentToken): Promise<void> => {
    await call<null>('DELETE', `/enrol-token/${id}`);
    close();
    announce(text.enrol.removed);
    await tokens.reload();
  };

  return (
    <div class="page">
      <div class="page-head">
        <h1>{text.enrol.title}</h1>
        <button type="button" class="button primary" onClick={() => setOpen({ dialog: 'add' })}>
          <PlusIcon />
          {text.enrol.add}
        </button>
      </div>
      <p class="quiet">{text.enrol.intro}</p>
      <ResourceState resource={tokens} />
      {tokens.data?.length === 0 && <p class="quiet">{text.enrol.none}</p>}
      {tokens.data !== null && tokens.data.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">{text.enrol.note}</th>
                <th scope="col">{text.enrol.tag}</th>
                <th scope="col">{text.enrol.usesLeft}</th>
                <th scope="col">{text.enrol.created}</th>
                <th scope="col">{text.enrol.expires}</th>
                <th scope="col">
                  <span class="off-screen">{text.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {tokens.data.map((token) => (
                <tr key={token.id}>
                  <td>
                    <div class="note" title={token.note}>
                      {token.note}
                    </div>
                  </td>
                  <td class="breakable">{token.tag}</td>
                  <td>{token.uses_left ?? text.enrol.unlimited}</td>
                  <td>{dateTime(token.created, languageTag.value)}</td>
                  <td>{token.expires === null ? text.never : dateTime(token.expires, languageTag.value)}</td>
                  <td class="row-actions">
                    <button
                      type="button"
                      class="icon-button danger"
                      aria-label={text.enrol.remove(token.note)}
                      onClick={() => setOpen({ dialog: 'remove', token })}
                    >
                      <TrashIcon />
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open?.dialog === 'add' && (
        <AddDialog
          onClose={close}
          onAdded={(command) => {
            setOpen({ dialog: 'shown', command });
            void tokens.reload();
          }}
        />
      )}
      {open?.dialog === 'shown' && (
        <CommandDialog
          title={text.enrol.commandTitle}
          hint={text.enrol.commandHint}
          command={open.command}
          onClose={close}
        />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.enrol.removeTitle}
          question={text.enrol.removeQuestion}
          onConfirm={() => remove(open.token)}
          onClose={close}
        />
      )}
    </div>
  );
}

function AddDialog({
  onAdded,
  onClose,
}: {
  onAdded: (command: AgentCommand) => void;
  onClose: () => void;
}): JSX.Element {
  const text = messages.value;
  const [note, setNote] = useState('');
  const [tag, setTag] = useState('');
  const [uses, setUses] = useState('');
  const [expires, setExpires] = useState('');

  const submit = async (): Promise<void> => {
    const body = { note, tag: tag.trim(), uses: uses === '' ? null : Number(uses), expires: endOfDay(expires) };
    const command = await agentCommands();
    const added = await call<{ id: number; token: string }>('POST', '/enrol-token', { body });
    onAdded(command('ENROL', added.token));
  };

  return (
    <FormDialog title={text.enrol.add} submitLabel={text.add} onSubmit={submit} onClose={onClose}>
      <Field label={text.enrol.note}>
        {(attributes) => (
          <textarea {...attributes} data-autofocus rows={2} onInput={(event) => setNote(event.currentTarget.value)} />
        )}
      </Field>
      <Field label={text.enrol.tag}>
        {(attributes) => <input {...attributes} type="text" onInput={(event) => setTag(event.currentTarget.value)} />}
      </Field>
      <Field label={text.enrol.uses} hint={text.enrol.usesHint}>
        {(attributes) => (
          <input
            {...attributes}
            type="number"
            min={1}
            step={1}
            onInput={(event) => setUses(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label={text.enrol.expires} hint={text.tokens.expiresHint}>
        {(attributes) => (
          <input {...attributes} type="date" onInput={(event) => setExpires(event.currentTarget.value)} />
        )}
      </Field>
    </FormDialog>
  );
}

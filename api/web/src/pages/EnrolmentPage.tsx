import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { type AgentCommand, agentCommands } from '../agentCommand';
import { call } from '../api';
import { endOfDay } from '../format';
import { messages } from '../i18n';
import { CommandDialog } from '../parts/CommandDialog';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { type Column, DataTable, dateOrNever, Note, type RowAction } from '../parts/DataTable';
import { Field } from '../parts/Field';
import { FormDialog } from '../parts/FormDialog';
import { TrashIcon } from '../parts/Icons';
import { ResourcePage } from '../parts/ResourcePage';
import { useDialog } from '../parts/useDialog';
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
  const text = messages.value.enrol;
  const tokens = useResource(() => call<EnrolmentToken[]>('GET', '/enrol-token'));
  const { open, show, close, finish } = useDialog<Open>(tokens.reload);

  const remove = async ({ id }: EnrolmentToken): Promise<void> => {
    await call<null>('DELETE', `/enrol-token/${id}`);
    await finish(text.removed);
  };
  const columns: Column<EnrolmentToken>[] = [
    { title: text.note, cell: ({ note }) => <Note text={note} /> },
    { title: text.tag, isBreakable: true, cell: ({ tag }) => tag },
    { title: text.usesLeft, cell: (token) => token.uses_left ?? text.unlimited },
    { title: text.created, cell: ({ created }) => dateOrNever(created) },
    { title: text.expires, cell: ({ expires }) => dateOrNever(expires) },
  ];
  const actions: RowAction<EnrolmentToken>[] = [
    {
      label: ({ note }) => text.remove(note),
      face: <TrashIcon />,
      isDangerous: true,
      run: (token) => show({ dialog: 'remove', token }),
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
          onAdded={(command) => {
            show({ dialog: 'shown', command });
            void tokens.reload();
          }}
        />
      )}
      {open?.dialog === 'shown' && (
        <CommandDialog title={text.commandTitle} hint={text.commandHint} command={open.command} onClose={close} />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeQuestion}
          onConfirm={() => remove(open.token)}
          onClose={close}
        />
      )}
    </ResourcePage>
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

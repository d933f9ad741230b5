import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { type AgentCommand, agentCommands } from '../agentCommand';
import { call } from '../api';
import { messages } from '../i18n';
import { CommandDialog } from '../parts/CommandDialog';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { Field } from '../parts/Field';
import { FormDialog } from '../parts/FormDialog';
import { ResourcePage } from '../parts/ResourcePage';
import { AddServerDialog, EditServerDialog } from '../parts/ServerDialogs';
import { type ManagedServer, ServerTable } from '../parts/ServerTable';
import { useDialog } from '../parts/useDialog';
import { useResource } from '../parts/useResource';
import { limits } from '../session';

type Open =
  | { dialog: 'add' | 'retag' | 'removeMany' }
  | { dialog: 'shown'; command: AgentCommand }
  | { dialog: 'edit' | 'remove' | 'rotate'; server: ManagedServer };

export default function ManagePage(): JSX.Element {
  const text = messages.value.manage;
  const servers = useResource(() => call<ManagedServer[]>('GET', '/manage/server'));
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const { open, show, close, finish } = useDialog<Open>(servers.reload);

  const showCommand = async (command: AgentCommand): Promise<void> => {
    show({ dialog: 'shown', command });
    await servers.reload();
  };
  const remove = async ({ id }: ManagedServer): Promise<void> => {
    await call<null>('DELETE', `/manage/server/${id}`);
    setSelected(new Set([...selected].filter((other) => other !== id)));
    await finish(text.removed(1));
  };
  const rotate = async ({ id }: ManagedServer): Promise<void> => {
    const command = await agentCommands();
    const made = await call<{ credential: string }>('POST', `/manage/server/${id}/credential`);
    await showCommand(command('CREDENTIAL', made.credential));
  };
  const removeSelected = async (): Promise<void> => {
    const changed = await inBulk(selected, { remove: true });
    setSelected(new Set());
    await finish(text.removed(changed));
  };

  return (
    <ResourcePage
      title={text.title}
      addLabel={text.add}
      onAdd={() => show({ dialog: 'add' })}
      resource={servers}
      emptyText={text.none}
      list={(all) => (
        <ServerTable
          servers={all}
          selected={selected}
          onSelect={setSelected}
          onEdit={(server) => show({ dialog: 'edit', server })}
          onRemove={(server) => show({ dialog: 'remove', server })}
          onRotate={(server) => show({ dialog: 'rotate', server })}
        >
          <div class="bulk" role="group" aria-label={text.selected(selected.size)}>
            <span aria-live="polite">{text.selected(selected.size)}</span>
            <button
              type="button"
              class="button small"
              disabled={selected.size === 0}
              onClick={() => show({ dialog: 'retag' })}
            >
              {text.retag}
            </button>
            <button
              type="button"
              class="button small danger"
              disabled={selected.size === 0}
              onClick={() => show({ dialog: 'removeMany' })}
            >
              {messages.value.remove}
            </button>
          </div>
        </ServerTable>
      )}
    >
      {open?.dialog === 'add' && <AddServerDialog onClose={close} onAdded={showCommand} />}
      {open?.dialog === 'edit' && (
        <EditServerDialog server={open.server} onClose={close} onSaved={() => finish(text.saved)} />
      )}
      {open?.dialog === 'retag' && (
        <RetagDialog ids={selected} onClose={close} onDone={(changed) => finish(text.changed(changed))} />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeOne(open.server.name)}
          onConfirm={() => remove(open.server)}
          onClose={close}
        />
      )}
      {open?.dialog === 'removeMany' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeMany(selected.size)}
          onConfirm={removeSelected}
          onClose={close}
        />
      )}
      {open?.dialog === 'rotate' && (
        <ConfirmDialog
          title={text.rotateTitle}
          question={text.rotateQuestion(open.server.name)}
          onConfirm={() => rotate(open.server)}
          onClose={close}
        />
      )}
      {open?.dialog === 'shown' && (
        <CommandDialog title={text.commandTitle} hint={text.commandHint} command={open.command} onClose={close} />
      )}
    </ResourcePage>
  );
}

/** Changes many servers, in portions that the hub takes; how many it changed. */
async function inBulk(ids: ReadonlySet<number>, change: { tag: string } | { remove: true }): Promise<number> {
  const all = [...ids];
  const atOnce = limits.value?.servers_per_change_max ?? all.length;
  let changed = 0;
  for (let start = 0; start < all.length; start += atOnce) {
    const body = { ids: all.slice(start, start + atOnce), ...change };
    changed += (await call<{ changed: number }>('POST', '/manage/server/bulk', { body })).changed;
  }
  return changed;
}

interface RetagDialogProps {
  ids: ReadonlySet<number>;
  onDone: (changed: number) => Promise<void>;
  onClose: () => void;
}

function RetagDialog({ ids, onDone, onClose }: RetagDialogProps): JSX.Element {
  const text = messages.value;
  const [tag, setTag] = useState('');
  return (
    <FormDialog
      title={text.manage.retagTitle(ids.size)}
      submitLabel={text.save}
      onSubmit={async () => onDone(await inBulk(ids, { tag: tag.trim() }))}
      onClose={onClose}
    >
      <Field label={text.manage.tag}>
        {(attributes) => (
          <input {...attributes} type="text" data-autofocus onInput={(event) => setTag(event.currentTarget.value)} />
        )}
      </Field>
    </FormDialog>
  );
}

import type { JSX } from 'preact';

import type { Silence } from '../alerts/silence';
import { call } from '../api';
import { dateTime } from '../format';
import { languageTag, messages } from '../i18n';
import { type NamedRule, SilenceDialog } from '../parts/alerts/SilenceDialog';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { type Column, DataTable, Note, type RowAction } from '../parts/DataTable';
import { EditIcon, TrashIcon } from '../parts/Icons';
import { ResourcePage } from '../parts/ResourcePage';
import { useDialog } from '../parts/useDialog';
import { useResource } from '../parts/useResource';
import { isAdmin } from '../session';

type Open = { dialog: 'add' } | { dialog: 'edit' | 'remove'; silence: Silence };

export default function SilencesPage(): JSX.Element {
  const text = messages.value.alerts.silences;
  const silences = useResource(() => call<Silence[]>('GET', '/alert/silence'));
  const rules = useResource(() => call<NamedRule[]>('GET', '/alert/rule'));
  const { open, show, close, finish } = useDialog<Open>(silences.reload);

  const remove = async ({ id }: Silence): Promise<void> => {
    await call<null>('DELETE', `/alert/silence/${id}`);
    await finish(text.removed);
  };
  const columns: Column<Silence>[] = [
    { title: text.comment, cell: ({ comment }) => <Note text={comment} /> },
    { title: text.state, cell: stateText },
    { title: text.window, cell: windowText },
    { title: text.about, isBreakable: true, cell: (silence) => aboutText(silence, rules.data ?? []) },
    { title: text.by, isBreakable: true, cell: ({ by }) => by },
  ];
  const actions: RowAction<Silence>[] = [
    {
      label: (silence) => text.editNamed(titleOf(silence)),
      title: messages.value.edit,
      face: <EditIcon />,
      run: (silence) => show({ dialog: 'edit', silence }),
    },
    {
      label: (silence) => text.removeNamed(titleOf(silence)),
      title: messages.value.remove,
      face: <TrashIcon />,
      isDangerous: true,
      run: (silence) => show({ dialog: 'remove', silence }),
    },
  ];

  return (
    <ResourcePage
      title={text.title}
      intro={text.intro}
      addLabel={text.add}
      onAdd={isAdmin.value ? () => show({ dialog: 'add' }) : null}
      resource={silences}
      emptyText={text.none}
      list={(rows) => <DataTable rows={rows} columns={columns} actions={isAdmin.value ? actions : []} />}
    >
      {(open?.dialog === 'add' || open?.dialog === 'edit') && (
        <SilenceDialog
          silence={open.dialog === 'edit' ? open.silence : null}
          rules={rules.data ?? []}
          onSaved={() => finish(text.saved)}
          onClose={close}
        />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeQuestion}
          onConfirm={() => remove(open.silence)}
          onClose={close}
        />
      )}
    </ResourcePage>
  );
}

/** What tells it from others, as it has no name. */
function titleOf({ id, comment }: Silence): string {
  return comment === '' ? `#${id}` : comment;
}

function stateText({ active, to }: Silence): string {
  const text = messages.value.alerts.silences;
  if (active) return text.active;
  return to !== null && to * 1000 <= Date.now() ? text.over : text.waiting;
}

function windowText({ from, to, weekly }: Silence): string {
  const text = messages.value.alerts.silences;
  if (weekly === null) return `${dateTime(from, languageTag.value)} – ${dateTime(to, languageTag.value)}`;
  const days = weekly.days.map((day) => text.dayNames[day]).join(', ');
  return `${days} ${weekly.start} – ${weekly.end} (${weekly.zone})`;
}

function aboutText({ rules, tags, ids }: Silence, known: readonly NamedRule[]): string {
  const text = messages.value.alerts;
  const names = rules.map((id) => known.find((rule) => rule.id === id)?.name ?? text.removedRule(id));
  const parts = [names.join(', '), tags.join(', '), ids.length === 0 ? '' : text.serverCount(ids.length)];
  return parts.filter((part) => part !== '').join('; ') || text.silences.everything;
}

import type { JSX } from 'preact';

import type { Rule } from '../alerts/rule';
import { conditionText, exactText } from '../alerts/texts';
import { call } from '../api';
import { messages } from '../i18n';
import { type NamedChannel, RuleDialog } from '../parts/alerts/RuleDialog';
import { SeverityMark } from '../parts/alerts/marks';
import { NobodyTold } from '../parts/alerts/NobodyTold';
import { Chip } from '../parts/Chip';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { type Column, DataTable, type RowAction } from '../parts/DataTable';
import { EditIcon, TrashIcon } from '../parts/Icons';
import { ResourcePage } from '../parts/ResourcePage';
import { useDialog } from '../parts/useDialog';
import { useResource } from '../parts/useResource';
import { isAdmin } from '../session';

type Open = { dialog: 'add' } | { dialog: 'edit' | 'remove'; rule: Rule };

export default function RulesPage(): JSX.Element {
  const text = messages.value.alerts.rules;
  const rules = useResource(() => call<Rule[]>('GET', '/alert/rule'));
  const channels = useResource(() => call<NamedChannel[]>('GET', '/alert/channel'));
  const { open, show, close, finish } = useDialog<Open>(rules.reload);

  const remove = async ({ id }: Rule): Promise<void> => {
    await call<null>('DELETE', `/alert/rule/${id}`);
    await finish(text.removed);
  };
  const columns: Column<Rule>[] = [
    { title: messages.value.alerts.name, isBreakable: true, cell: (rule) => <NameCell rule={rule} /> },
    { title: messages.value.alerts.severity, cell: ({ severity }) => <SeverityMark severity={severity} /> },
    { title: text.when, isBreakable: true, cell: (rule) => <WhenCell rule={rule} /> },
    { title: text.about, isBreakable: true, cell: aboutText },
    { title: text.channels, isBreakable: true, cell: (rule) => channelsText(rule, channels.data ?? []) },
    { title: text.firing, cell: ({ firing }) => firing ?? 0 },
  ];
  const actions: RowAction<Rule>[] = [
    {
      label: ({ name }) => text.editNamed(name),
      title: messages.value.edit,
      face: <EditIcon />,
      run: (rule) => show({ dialog: 'edit', rule }),
    },
    {
      label: ({ name }) => text.removeNamed(name),
      title: messages.value.remove,
      face: <TrashIcon />,
      isDangerous: true,
      appliesTo: ({ built_in }) => !built_in,
      run: (rule) => show({ dialog: 'remove', rule }),
    },
  ];

  return (
    <ResourcePage
      title={text.title}
      intro={text.intro}
      notice={<NobodyTold rules={rules.data} channels={channels.data} />}
      addLabel={text.add}
      onAdd={isAdmin.value ? () => show({ dialog: 'add' }) : null}
      resource={rules}
      emptyText={text.none}
      list={(rows) => <DataTable rows={rows} columns={columns} actions={isAdmin.value ? actions : []} />}
    >
      {(open?.dialog === 'add' || open?.dialog === 'edit') && (
        <RuleDialog
          rule={open.dialog === 'edit' ? open.rule : null}
          channels={channels.data ?? []}
          onSaved={() => finish(text.saved)}
          onClose={close}
        />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeQuestion(open.rule.name)}
          onConfirm={() => remove(open.rule)}
          onClose={close}
        />
      )}
    </ResourcePage>
  );
}

function NameCell({ rule }: { rule: Rule }): JSX.Element {
  const text = messages.value.alerts;
  return (
    <>
      {rule.name}
      <Chip text={rule.enabled ? '' : text.disabled} />
      <Chip text={rule.built_in ? text.rules.builtIn : ''} />
    </>
  );
}

function WhenCell({ rule }: { rule: Rule }): JSX.Element {
  const { forTime } = messages.value.alerts.rules;
  return (
    <>
      {rule.when.map((condition, index) => (
        <div key={index}>{conditionText(condition)}</div>
      ))}
      {rule.for_s > 0 && <div class="quiet">{forTime(exactText('seconds', rule.for_s))}</div>}
    </>
  );
}

function aboutText({ when, scope, except_ids }: Rule): string {
  const text = messages.value.alerts;
  if (when.some(({ metric }) => metric.startsWith('hub.'))) return text.theHub;
  const about =
    'tags' in scope ? scope.tags.join(', ') : 'ids' in scope ? text.serverCount(scope.ids.length) : text.allServers;
  return except_ids.length === 0 ? about : `${about}, ${text.except(except_ids.length)}`;
}

function channelsText({ channels }: Rule, known: readonly NamedChannel[]): string {
  const names = channels.map((id) => known.find((channel) => channel.id === id)?.name ?? `#${id}`);
  return names.join(', ') || messages.value.alerts.rules.noChannels;
}

import type { JSX } from 'preact';

import type { Channel, ChannelHealth } from '../alerts/channel';
import type { Rule } from '../alerts/rule';
import { call } from '../api';
import { errorText } from '../errors';
import { dateTime } from '../format';
import { languageTag, messages } from '../i18n';
import { ChannelDialog } from '../parts/alerts/ChannelDialog';
import { NobodyTold } from '../parts/alerts/NobodyTold';
import { Chip } from '../parts/Chip';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { type Column, DataTable, type RowAction } from '../parts/DataTable';
import { EditIcon, TrashIcon } from '../parts/Icons';
import { ResourcePage } from '../parts/ResourcePage';
import { announce } from '../parts/Toast';
import { useDialog } from '../parts/useDialog';
import { useResource } from '../parts/useResource';
import { isAdmin } from '../session';

/** Soon enough to see how a test message went. */
const ASK_INTERVAL_MS = 5000;
/** Rules that are named; more are counted. */
const NAMED_MAX = 3;

type Row = Channel & ChannelHealth;
type Open = { dialog: 'add' } | { dialog: 'edit' | 'remove'; channel: Row };

export default function ChannelsPage(): JSX.Element {
  const text = messages.value.alerts.channels;
  const channels = useResource(() => call<Row[]>('GET', '/alert/channel'), ASK_INTERVAL_MS);
  const rules = useResource(() => call<Rule[]>('GET', '/alert/rule'));
  const { open, show, close, finish } = useDialog<Open>(async () => {
    await Promise.all([channels.reload(), rules.reload()]);
  });

  const rulesOf = (channel: number): Rule[] => (rules.data ?? []).filter(({ channels }) => channels.includes(channel));
  const remove = async ({ id }: Row): Promise<void> => {
    // The hub keeps a channel that a rule names.
    for (const rule of rulesOf(id)) {
      const others = rule.channels.filter((other) => other !== id);
      await call<null>('PATCH', `/alert/rule/${rule.id}`, { body: { channels: others } });
    }
    await call<null>('DELETE', `/alert/channel/${id}`);
    await finish(text.removed);
  };
  const test = async ({ id }: Row): Promise<void> => {
    try {
      await call<null>('POST', `/alert/channel/${id}/test`);
      announce(text.tested);
    } catch (failure) {
      announce(errorText(failure));
    }
  };
  const columns: Column<Row>[] = [
    { title: messages.value.alerts.name, isBreakable: true, cell: (channel) => <NameCell channel={channel} /> },
    { title: text.kind, cell: ({ kind }) => text.kinds[kind] },
    { title: text.rules, isBreakable: true, cell: ({ id }) => (rules.data === null ? '' : rulesText(rulesOf(id))) },
    { title: text.state, isBreakable: true, cell: (channel) => <StateCell channel={channel} /> },
  ];
  const actions: RowAction<Row>[] = [
    { label: ({ name }) => text.testNamed(name), face: text.test, run: (channel) => void test(channel) },
    {
      label: ({ name }) => text.editNamed(name),
      title: messages.value.edit,
      face: <EditIcon />,
      run: (channel) => show({ dialog: 'edit', channel }),
    },
    {
      label: ({ name }) => text.removeNamed(name),
      title: messages.value.remove,
      face: <TrashIcon />,
      isDangerous: true,
      run: (channel) => show({ dialog: 'remove', channel }),
    },
  ];

  return (
    <ResourcePage
      title={text.title}
      intro={text.intro}
      notice={<NobodyTold rules={rules.data} channels={channels.data} />}
      addLabel={text.add}
      onAdd={isAdmin.value ? () => show({ dialog: 'add' }) : null}
      resource={channels}
      emptyText={text.none}
      list={(rows) => <DataTable rows={rows} columns={columns} actions={isAdmin.value ? actions : []} />}
    >
      {(open?.dialog === 'add' || open?.dialog === 'edit') && (
        <ChannelDialog
          channel={open.dialog === 'edit' ? open.channel : null}
          rules={rules.data ?? []}
          onSaved={finish}
          onClose={close}
        />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeQuestion(open.channel.name, rulesOf(open.channel.id).length)}
          onConfirm={() => remove(open.channel)}
          onClose={close}
        />
      )}
    </ResourcePage>
  );
}

function NameCell({ channel }: { channel: Channel }): JSX.Element {
  const text = messages.value.alerts;
  return (
    <>
      {channel.name}
      <Chip text={channel.enabled ? '' : text.disabled} />
      <Chip text={channel.tls_verify ? '' : text.channels.tlsUnverified} />
    </>
  );
}

function rulesText(rules: readonly Rule[]): string {
  const text = messages.value.alerts.channels;
  if (rules.length > NAMED_MAX) return text.ruleCount(rules.length);
  return rules.map(({ name }) => name).join(', ') || text.noRule;
}

function StateCell({ channel: { failing_since, failure, last_sent, failed } }: { channel: Row }): JSX.Element {
  const text = messages.value.alerts.channels;
  const lastText = last_sent === null ? text.neverUsed : text.lastSent(dateTime(last_sent, languageTag.value));
  return (
    <>
      {failing_since === null ? (
        lastText
      ) : (
        <div class="warning">
          {text.failing(dateTime(failing_since, languageTag.value))}
          {failure !== null && `: ${failure}`}
        </div>
      )}
      {failed > 0 && <div class="quiet">{text.givenUp(failed)}</div>}
    </>
  );
}

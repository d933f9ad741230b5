import type { JSX } from 'preact';

import type { Channel } from '../alerts/channel';
import { call } from '../api';
import { errorText } from '../errors';
import { dateTime } from '../format';
import { languageTag, messages } from '../i18n';
import { ChannelDialog } from '../parts/alerts/ChannelDialog';
import { Chip } from '../parts/Chip';
import { ConfirmDialog } from '../parts/ConfirmDialog';
import { type Column, DataTable, type RowAction } from '../parts/DataTable';
import { EditIcon, TrashIcon } from '../parts/Icons';
import { ResourcePage } from '../parts/ResourcePage';
import { announce } from '../parts/Toast';
import { useDialog } from '../parts/useDialog';
import { useResource } from '../parts/useResource';
import { isAdmin } from '../session';

type Open = { dialog: 'add' } | { dialog: 'edit' | 'remove'; channel: Channel };

export default function ChannelsPage(): JSX.Element {
  const text = messages.value.alerts.channels;
  const channels = useResource(() => call<Channel[]>('GET', '/alert/channel'));
  const { open, show, close, finish } = useDialog<Open>(channels.reload);

  const remove = async ({ id }: Channel): Promise<void> => {
    await call<null>('DELETE', `/alert/channel/${id}`);
    await finish(text.removed);
  };
  const test = async ({ id }: Channel): Promise<void> => {
    try {
      await call<null>('POST', `/alert/channel/${id}/test`);
      announce(text.tested);
    } catch (failure) {
      announce(errorText(failure));
    }
  };
  const columns: Column<Channel>[] = [
    { title: messages.value.alerts.name, isBreakable: true, cell: (channel) => <NameCell channel={channel} /> },
    { title: text.kind, cell: ({ kind }) => text.kinds[kind] },
    { title: text.state, isBreakable: true, cell: stateText },
  ];
  const actions: RowAction<Channel>[] = [
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
      addLabel={text.add}
      onAdd={isAdmin.value ? () => show({ dialog: 'add' }) : null}
      resource={channels}
      emptyText={text.none}
      list={(rows) => <DataTable rows={rows} columns={columns} actions={isAdmin.value ? actions : []} />}
    >
      {(open?.dialog === 'add' || open?.dialog === 'edit') && (
        <ChannelDialog
          channel={open.dialog === 'edit' ? open.channel : null}
          onSaved={() => finish(text.saved)}
          onClose={close}
        />
      )}
      {open?.dialog === 'remove' && (
        <ConfirmDialog
          title={text.removeTitle}
          question={text.removeQuestion(open.channel.name)}
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

function stateText({ failing_since, failure, last_sent }: Channel): JSX.Element | string {
  const text = messages.value.alerts.channels;
  if (failing_since != null) {
    return (
      <div class="warning">
        {text.failing(dateTime(failing_since, languageTag.value))}
        {failure != null && `: ${failure}`}
      </div>
    );
  }
  return last_sent == null ? text.neverUsed : text.lastSent(dateTime(last_sent, languageTag.value));
}

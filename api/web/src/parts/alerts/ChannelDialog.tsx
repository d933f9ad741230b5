import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import {
  type Channel,
  channelBody,
  channelDraft,
  type ChannelDraft,
  channelEdit,
  KINDS,
  newChannel,
  ofKind,
} from '../../alerts/channel';
import { PRESET_NAMES, presetNamed } from '../../alerts/presets';
import type { Rule } from '../../alerts/rule';
import { browserZone, timeZones } from '../../alerts/silence';
import { call } from '../../api';
import { errorText } from '../../errors';
import { language, LANGUAGES, type Language, messages } from '../../i18n';
import { Checkbox, Field } from '../Field';
import { FormDialog } from '../FormDialog';
import { ChannelSettings } from './ChannelSettings';
import { SelectField, TextArea, TextField } from './inputs';

interface ChannelDialogProps {
  /** `null` for a new one. */
  channel: Channel | null;
  rules: readonly Rule[];
  /** Takes what is to be said about it. */
  onSaved: (said: string) => Promise<void>;
  onClose: () => void;
}

export function ChannelDialog({ channel, rules, onSaved, onClose }: ChannelDialogProps): JSX.Element {
  const text = messages.value;
  const [first] = useState(() =>
    channel === null ? newChannel(browserZone(), language.value) : channelDraft(channel),
  );
  const [draft, setDraft] = useState(first);
  const [isUsed, setUsed] = useState(() => rules.every(({ channels }) => channels.length === 0));
  // A new hub has rules that tell nobody, each of which would have to be changed.
  const silent = channel === null ? rules.filter(({ channels }) => channels.length === 0) : [];

  const submit = async (): Promise<void> => {
    if (channel === null) {
      const { id } = await call<{ id: number }>('POST', '/alert/channel', { body: channelBody(draft) });
      await onSaved(isUsed ? await addToRules(id, silent) : text.alerts.channels.saved);
    } else {
      await call<null>('PATCH', `/alert/channel/${channel.id}`, { body: channelEdit(first, draft) });
      await onSaved(text.alerts.channels.saved);
    }
  };

  return (
    <FormDialog
      title={channel === null ? text.alerts.channels.add : text.alerts.channels.editTitle}
      submitLabel={channel === null ? text.add : text.save}
      onSubmit={submit}
      onClose={onClose}
    >
      <ChannelFields draft={draft} onChange={setDraft} />
      {silent.length > 0 && (
        <Checkbox label={text.alerts.channels.useInRules(silent.length)} isChecked={isUsed} onChange={setUsed} />
      )}
    </FormDialog>
  );
}

/** Lets rules without a channel have this one; what is to be said. The channel is there also when a rule is refused. */
async function addToRules(channel: number, rules: readonly Rule[]): Promise<string> {
  try {
    for (const { id } of rules) await call<null>('PATCH', `/alert/rule/${id}`, { body: { channels: [channel] } });
    return messages.value.alerts.channels.saved;
  } catch (failure) {
    return errorText(failure);
  }
}

interface ChannelFieldsProps {
  draft: ChannelDraft;
  onChange: (draft: ChannelDraft) => void;
}

function ChannelFields({ draft, onChange }: ChannelFieldsProps): JSX.Element {
  const text = messages.value.alerts;
  const set = (change: Partial<ChannelDraft>): void => onChange({ ...draft, ...change });
  return (
    <>
      <TextField
        label={text.name}
        name="name"
        value={draft.name}
        onInput={(name) => set({ name })}
        input={{ isRequired: true, isFirst: true }}
      />
      <Checkbox label={text.enabled} isChecked={draft.enabled} onChange={(enabled) => set({ enabled })} />
      <KindField kind={draft.kind} onChange={(name) => set(ofKind(name))} />
      <ChannelSettings draft={draft} set={set} />
      <details>
        <summary>{text.channels.texts}</summary>
        <div class="form">
          <TextField
            label={text.channels.subject}
            name="subject"
            hint={text.channels.templateHint}
            value={draft.subject}
            onInput={(subject) => set({ subject })}
          />
          <TextArea
            label={text.channels.body}
            name="body"
            hint={text.channels.templateHint}
            rows={3}
            value={draft.body}
            onInput={(body) => set({ body })}
          />
          <SelectField
            label={text.channels.language}
            name="language"
            value={draft.language}
            options={Object.entries(LANGUAGES).map(([code, name]) => [code as Language, name])}
            onChange={(chosen) => set({ language: chosen })}
          />
          <SelectField
            label={text.channels.zone}
            name="time_zone"
            value={draft.timeZone}
            options={timeZones(draft.timeZone, browserZone()).map((zone) => [zone, zone])}
            onChange={(timeZone) => set({ timeZone })}
          />
          <TextField
            label={text.channels.rate}
            name="messages_per_minute"
            hint={text.channels.rateHint}
            value={draft.messagesPerMinute}
            onInput={(messagesPerMinute) => set({ messagesPerMinute })}
            input={{ type: 'number', isRequired: true, min: 1, max: 600 }}
          />
          <Checkbox
            label={text.channels.tlsVerify}
            isChecked={draft.tlsVerify}
            onChange={(tlsVerify) => set({ tlsVerify })}
          />
        </div>
      </details>
    </>
  );
}

interface KindFieldProps {
  kind: string;
  onChange: (name: string) => void;
}

/** A kind, or a service that is a webhook with what it takes. */
function KindField({ kind, onChange }: KindFieldProps): JSX.Element {
  const text = messages.value.alerts.channels;
  const [preset, setPreset] = useState('');
  return (
    <Field label={text.kind} name="kind" hint={preset === '' ? undefined : text.presetHint}>
      {(attributes) => (
        <select
          {...attributes}
          value={preset === '' ? kind : preset}
          onChange={({ currentTarget }) => {
            setPreset(presetNamed(currentTarget.value) === null ? '' : currentTarget.value);
            onChange(currentTarget.value);
          }}
        >
          {KINDS.map((name) => (
            <option key={name} value={name}>
              {text.kinds[name]}
            </option>
          ))}
          <optgroup label={text.presets}>
            {PRESET_NAMES.map((name) => (
              <option key={name} value={name}>
                {text.kinds[name]}
              </option>
            ))}
          </optgroup>
        </select>
      )}
    </Field>
  );
}

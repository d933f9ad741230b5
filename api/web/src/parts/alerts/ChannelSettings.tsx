import type { JSX } from 'preact';

import { type ChannelDraft, SECRET_SHOWN, secretWritten, type Setting, settingsOf } from '../../alerts/channel';
import { messages } from '../../i18n';
import type { Messages } from '../../i18n/en';
import { FieldGroup } from '../Field';
import { TrashIcon } from '../Icons';
import { SelectField, TextArea, TextField } from './inputs';

interface ChannelSettingsProps {
  draft: ChannelDraft;
  set: (change: Partial<ChannelDraft>) => void;
}

/** The settings of the chosen kind. */
export function ChannelSettings({ draft, set }: ChannelSettingsProps): JSX.Element {
  return (
    <>
      {settingsOf(draft.kind).map(([name, setting]) =>
        setting.type === 'headers' ? (
          <HeaderFields key={name} headers={draft.headers} onChange={(headers) => set({ headers })} />
        ) : (
          <SettingField
            // Another kind may have one of the same name.
            key={`${draft.kind} ${name}`}
            kind={draft.kind}
            name={name}
            setting={setting}
            value={draft.settings[name] ?? ''}
            onChange={(value) => set({ settings: { ...draft.settings, [name]: value } })}
          />
        ),
      )}
    </>
  );
}

interface SettingFieldProps {
  kind: string;
  name: string;
  setting: Setting;
  value: string;
  onChange: (value: string) => void;
}

function SettingField({ kind, name, setting, value, onChange }: SettingFieldProps): JSX.Element {
  const text = messages.value.alerts.channels;
  const { type, isRequired = false, choices } = setting;
  const label = labelOf(text, name);
  const hint = hintOf(text, kind, name, setting, value === SECRET_SHOWN);
  const field = `settings.${name}`;
  if (choices !== undefined) {
    const options = choices.map((choice) => [choice, choiceText(text, name, choice)] as const);
    return <SelectField label={label} name={field} hint={hint} value={value} options={options} onChange={onChange} />;
  }
  if (type === 'template') {
    return <TextArea label={label} name={field} hint={hint} rows={2} value={value} onInput={onChange} />;
  }
  const isSecret = type === 'secret' || type === 'address';
  return (
    <TextField
      label={label}
      name={field}
      hint={hint}
      value={value}
      onInput={(written) => onChange(isSecret ? secretWritten(value, written) : written)}
      input={{ type: type === 'secret' ? 'password' : type === 'number' ? 'number' : 'text', isRequired }}
    />
  );
}

type Words = Messages['alerts']['channels'];

function labelOf(text: Words, name: string): string {
  const labels: Readonly<Record<string, string>> = text.settings;
  return labels[name] ?? name;
}

function choiceText(text: Words, name: string, choice: string): string {
  const words: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    content: text.contents,
    engine: text.engines,
    security: text.securities,
  };
  return words[name]?.[choice] ?? choice;
}

function hintOf(
  { hints }: Words,
  kind: string,
  name: string,
  { type, isRequired }: Setting,
  isStored: boolean,
): string | undefined {
  if (isStored) return hints.secret;
  const known: Readonly<Record<string, string>> = {
    'webhook.url': hints.key,
    'webhook.body': hints.body,
    'telegram.token': hints.botToken,
    'telegram.base_url': hints.baseUrl,
    'telegram.chat_id': hints.chatId,
    'ntfy.url': hints.ntfyUrl,
    'email.port': hints.port,
    'email.to': hints.to,
    'email.security': hints.plain,
  };
  return known[`${kind}.${name}`] ?? (isRequired || type === 'choice' ? undefined : hints.optional);
}

interface HeaderFieldsProps {
  headers: ChannelDraft['headers'];
  onChange: (headers: ChannelDraft['headers']) => void;
}

function HeaderFields({ headers, onChange }: HeaderFieldsProps): JSX.Element {
  const text = messages.value.alerts.channels;
  const hasStored = headers.some(([, value]) => value === SECRET_SHOWN);
  const replace = (index: number, header: readonly [string, string]): void => onChange(headers.with(index, header));
  return (
    <FieldGroup
      label={text.settings.headers}
      name="settings.headers"
      hint={hasStored ? text.hints.secret : text.hints.optional}
    >
      {headers.map(([name, value], index) => (
        <div key={index} class="header-row">
          <input
            type="text"
            aria-label={text.headerName(index + 1)}
            autocomplete="off"
            spellcheck={false}
            value={name}
            onInput={(event) => replace(index, [event.currentTarget.value, value])}
          />
          <input
            type="password"
            aria-label={text.headerValue(index + 1)}
            autocomplete="new-password"
            value={value}
            onInput={(event) => replace(index, [name, secretWritten(value, event.currentTarget.value)])}
          />
          <button
            type="button"
            class="icon-button danger"
            aria-label={text.removeHeader(index + 1)}
            onClick={() => onChange(headers.toSpliced(index, 1))}
          >
            <TrashIcon />
          </button>
        </div>
      ))}
      <div>
        <button type="button" class="button small" onClick={() => onChange([...headers, ['', '']])}>
          {text.addHeader}
        </button>
      </div>
    </FieldGroup>
  );
}

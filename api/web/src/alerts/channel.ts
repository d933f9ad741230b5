import { commaSeparated } from '../format';
import { changed } from './changed';
import { presetNamed } from './presets';

export const KINDS = ['webhook', 'alertmanager', 'telegram', 'slack', 'discord', 'ntfy', 'email'] as const;
export type Kind = (typeof KINDS)[number];

/** What the hub shows in place of a secret. Sent back, it keeps the secret. */
export const SECRET_SHOWN = '••••';

export interface Channel {
  id: number;
  name: string;
  enabled: boolean;
  kind: Kind;
  settings: Record<string, unknown>;
  subject: string | null;
  body: string | null;
  messages_per_minute: number;
  tls_verify: boolean;
  time_zone: string;
  language: 'en' | 'zh';
  created: number;
}

/** How a channel does. Times are Unix seconds, and counts are of messages since the hub started. */
export interface ChannelHealth {
  failing_since: number | null;
  failure: string | null;
  last_sent: number | null;
  sent: number;
  /** Given up, and not tried again. */
  failed: number;
}

/** How a setting is written, and what it is in JSON. */
export type SettingType = 'text' | 'secret' | 'address' | 'number' | 'list' | 'template' | 'choice' | 'headers';

export interface Setting {
  /** `address` is a secret that is seen while it is written. */
  type: SettingType;
  isRequired?: boolean;
  choices?: readonly string[];
}

const TEXT: Setting = { type: 'text' };
const NEEDED: Setting = { type: 'text', isRequired: true };

/** The settings of each kind, in the order of the form. */
export const SETTINGS = {
  webhook: {
    url: { type: 'address', isRequired: true },
    method: { type: 'choice', choices: ['POST', 'GET', 'PUT'] },
    headers: { type: 'headers' },
    content: { type: 'choice', choices: ['json', 'form'] },
    engine: { type: 'choice', choices: ['plain', 'nezha'] },
    subject: { type: 'template' },
    body: { type: 'template' },
  },
  alertmanager: { url: NEEDED },
  telegram: {
    token: { type: 'secret', isRequired: true },
    chat_id: NEEDED,
    thread_id: { type: 'number' },
    base_url: TEXT,
  },
  slack: { url: { type: 'address', isRequired: true } },
  discord: { url: { type: 'address', isRequired: true } },
  ntfy: { topic: NEEDED, url: TEXT, token: { type: 'secret' } },
  email: {
    host: NEEDED,
    security: { type: 'choice', choices: ['starttls', 'tls', 'plain'] },
    port: { type: 'number' },
    user: TEXT,
    password: { type: 'secret' },
    from: NEEDED,
    to: { type: 'list', isRequired: true },
  },
} satisfies Record<Kind, Record<string, Setting>>;

/** A channel as its form has it. */
export interface ChannelDraft {
  name: string;
  enabled: boolean;
  kind: Kind;
  /** Each setting that is no header, as its field has it. */
  settings: Readonly<Record<string, string>>;
  headers: readonly (readonly [name: string, value: string])[];
  subject: string;
  body: string;
  messagesPerMinute: string;
  tlsVerify: boolean;
  timeZone: string;
  language: 'en' | 'zh';
}

export type ChannelBody = Pick<
  Channel,
  | 'name'
  | 'enabled'
  | 'kind'
  | 'settings'
  | 'subject'
  | 'body'
  | 'messages_per_minute'
  | 'tls_verify'
  | 'time_zone'
  | 'language'
>;

export function settingsOf(kind: Kind): [name: string, setting: Setting][] {
  return Object.entries(SETTINGS[kind]);
}

export function newChannel(timeZone: string, language: 'en' | 'zh'): ChannelDraft {
  const rest = { subject: '', body: '', messagesPerMinute: '20', tlsVerify: true, timeZone, language };
  return { name: '', enabled: true, ...rest, ...ofKind('telegram') };
}

/** What another kind or preset begins with. */
export function ofKind(name: string): Pick<ChannelDraft, 'kind' | 'settings' | 'headers'> {
  const preset = presetNamed(name);
  if (preset !== null) {
    const { method, url, body, headers } = preset;
    return { kind: 'webhook', settings: { ...emptySettings('webhook'), method, url, body }, headers };
  }
  const kind = KINDS.find((one) => one === name) ?? 'webhook';
  return { kind, settings: emptySettings(kind), headers: [] };
}

function emptySettings(kind: Kind): Record<string, string> {
  return Object.fromEntries(settingsOf(kind).map(([name, { choices }]) => [name, choices?.[0] ?? '']));
}

export function channelDraft(channel: Channel): ChannelDraft {
  const { name, enabled, kind, settings, language } = channel;
  const texts = settingsOf(kind).map(([setting]) => [setting, textOf(settings[setting])]);
  const headers = settings.headers;
  return {
    name,
    enabled,
    kind,
    settings: Object.fromEntries(texts),
    headers: headers !== null && typeof headers === 'object' ? Object.entries(headers).map(toTexts) : [],
    subject: channel.subject ?? '',
    body: channel.body ?? '',
    messagesPerMinute: String(channel.messages_per_minute),
    tlsVerify: channel.tls_verify,
    timeZone: channel.time_zone,
    language,
  };
}

function toTexts([name, value]: [string, unknown]): [string, string] {
  return [name, String(value)];
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

export function channelBody(draft: ChannelDraft): ChannelBody {
  const { name, enabled, kind, settings, headers, subject, body, tlsVerify, timeZone, language } = draft;
  const values = settingsOf(kind).map(([setting, { type }]) => [
    setting,
    type === 'headers' ? headersOf(headers) : jsonOf(type, settings[setting] ?? ''),
  ]);
  return {
    name: name.trim(),
    enabled,
    kind,
    settings: Object.fromEntries(values),
    subject: subject === '' ? null : subject,
    body: body === '' ? null : body,
    messages_per_minute: Number(draft.messagesPerMinute),
    tls_verify: tlsVerify,
    time_zone: timeZone,
    language,
  };
}

function headersOf(headers: ChannelDraft['headers']): Record<string, string> {
  return Object.fromEntries(
    headers.filter(([name]) => name.trim() !== '').map(([name, value]) => [name.trim(), value]),
  );
}

function jsonOf(type: SettingType, text: string): unknown {
  switch (type) {
    case 'list':
      return commaSeparated(text);
    case 'number':
      return text.trim() === '' ? null : Number(text);
    case 'template':
    case 'secret':
      return text === '' ? null : text;
    default:
      return text.trim() === '' ? null : text.trim();
  }
}

/** What to send so that the channel becomes as the form has it. Of settings of the same kind, only other ones. */
export function channelEdit(before: ChannelDraft, after: ChannelDraft): Partial<ChannelBody> {
  const [old, next] = [channelBody(before), channelBody(after)];
  const { kind, settings, ...rest } = changed(old, next);
  if (kind !== undefined) return { ...rest, kind, settings: next.settings };
  return settings === undefined ? rest : { ...rest, settings: changed(old.settings, next.settings) };
}

/** What is written into the field of a secret: the dots stand for the stored one as a whole. */
export function secretWritten(before: string, written: string): string {
  return before === SECRET_SHOWN && written !== SECRET_SHOWN ? written.replaceAll('•', '') : written;
}

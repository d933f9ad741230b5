import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import {
  type Channel,
  channelBody,
  channelDraft,
  channelEdit,
  type Kind,
  KINDS,
  newChannel,
  ofKind,
  SECRET_SHOWN,
  secretWritten,
  SETTINGS,
} from './channel';

const SHOWN: Record<Kind, Record<string, unknown>> = {
  webhook: {
    method: 'PUT',
    url: SECRET_SHOWN,
    headers: { Authorization: SECRET_SHOWN, 'X-Team': SECRET_SHOWN },
    content: 'json',
    subject: null,
    body: '{"text":{{ text }}} ',
    engine: 'plain',
  },
  alertmanager: { url: 'http://127.0.0.1:9093' },
  telegram: { base_url: null, token: SECRET_SHOWN, chat_id: '-1001', thread_id: 7 },
  slack: { url: SECRET_SHOWN },
  discord: { url: SECRET_SHOWN },
  ntfy: { url: 'https://ntfy.sh', topic: 'ops', token: null },
  email: {
    host: 'mail.example.org',
    port: 587,
    security: 'starttls',
    user: 'u',
    password: SECRET_SHOWN,
    from: 'a@example.org',
    to: ['b@example.org', 'c@example.org'],
  },
};

function channel(kind: Kind): Channel {
  const rest = { subject: null, body: 'x', messages_per_minute: 20, tls_verify: true, time_zone: 'UTC' };
  return { id: 1, name: 'ops', enabled: true, kind, settings: SHOWN[kind], language: 'zh', created: 0, ...rest };
}

it('has the settings of each kind that the hub shows', () => {
  const source = readFileSync(new URL('../../../src/resource/channel_settings.rs', import.meta.url), 'utf8');
  for (const kind of KINDS) {
    expect(Object.keys(SETTINGS[kind]).sort(), kind).toEqual(Object.keys(SHOWN[kind]).sort());
    expect(source).toContain(`"${kind}" =>`);
    for (const name of Object.keys(SETTINGS[kind])) expect(source, `${kind} ${name}`).toContain(`"${name}": `);
  }
});

it('gives back what the hub showed, and sends nothing of it', () => {
  for (const kind of KINDS) {
    const draft = channelDraft(channel(kind));
    const { id, created, ...body } = channel(kind);
    expect(channelBody(draft), kind).toEqual({ ...body, settings: { ...SHOWN[kind] } });
    expect(channelEdit(draft, draft), `${kind} ${id} ${created}`).toEqual({});
  }
});

it('sends the settings that were changed, without stored secrets', () => {
  const before = channelDraft(channel('telegram'));
  const edit = (settings: Record<string, string>): unknown =>
    channelEdit(before, { ...before, settings: { ...before.settings, ...settings } });
  expect(edit({ chat_id: '@ops', thread_id: '' })).toEqual({ settings: { chat_id: '@ops', thread_id: null } });
  expect(edit({ token: '1:new' })).toEqual({ settings: { token: '1:new' } });
  expect(channelEdit(before, { ...before, subject: '{{ status }}', body: '', enabled: false })).toEqual({
    subject: '{{ status }}',
    body: null,
    enabled: false,
  });
});

it('sends all settings of another kind', () => {
  const before = channelDraft(channel('slack'));
  const after = { ...before, ...ofKind('ntfy') };
  expect(channelEdit(before, { ...after, settings: { ...after.settings, topic: ' ops ' } })).toEqual({
    kind: 'ntfy',
    settings: { topic: 'ops', url: null, token: null },
  });
});

it('fills a webhook in from a preset', () => {
  const { settings, kind } = channelBody({ ...newChannel('UTC', 'en'), ...ofKind('matrix'), name: 'room' });
  expect(kind).toBe('webhook');
  expect(settings).toMatchObject({ method: 'PUT', content: 'json', headers: { Authorization: 'Bearer TOKEN' } });
});

it('leaves out headers without a name', () => {
  const draft = {
    ...channelDraft(channel('webhook')),
    headers: [
      [' X-A ', ' b '],
      ['', 'c'],
    ] as const,
  };
  expect(channelBody(draft).settings.headers).toEqual({ 'X-A': ' b ' });
});

it('keeps a secret whole or not at all', () => {
  expect(secretWritten(SECRET_SHOWN, SECRET_SHOWN)).toBe(SECRET_SHOWN);
  expect(secretWritten(SECRET_SHOWN, `${SECRET_SHOWN}x`)).toBe('x');
  expect(secretWritten(SECRET_SHOWN, '•••')).toBe('');
  expect(secretWritten('x', 'x•')).toBe('x•');
});

import { expect, signIn, test } from './hub';
import { inLanguage } from './language';

interface Channel {
  id: number;
  name: string;
  kind: string;
  settings: Record<string, unknown>;
  body: string | null;
  messages_per_minute: number;
}

const SECRET = '123456:secret-of-the-bot';

test('a channel is added, and its secret is kept when it is not touched', async ({ page, hub, api }) => {
  await signIn(page, hub);
  await page.goto(`${hub.url}/channels`);
  await expect(page.getByText('No channels yet.')).toBeVisible();
  await page.getByRole('button', { name: 'Add channel' }).click();
  const adding = page.getByRole('dialog', { name: 'Add channel' });
  await adding.getByLabel('Name', { exact: true }).fill('on call');
  await adding.getByLabel('Kind').selectOption('Telegram');
  await adding.getByLabel('Token').fill(SECRET);
  await adding.getByLabel('Chat').fill('-1001');
  await adding.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('row', { name: /on call.*Telegram/ })).toBeVisible();

  await page.getByRole('button', { name: 'Edit channel on call' }).click();
  const editing = page.getByRole('dialog', { name: 'Edit channel' });
  await expect(editing.getByLabel('Token')).toHaveValue('••••');
  const sent = page.waitForRequest((request) => request.method() === 'PATCH');
  await editing.getByLabel('Chat').fill('@ops');
  await editing.getByRole('button', { name: 'Save' }).click();
  expect((await sent).postDataJSON()).toEqual({ settings: { chat_id: '@ops' } });
  await expect(editing).toBeHidden();
  const [changed] = await api.call<Channel[]>('GET', '/alert/channel');
  expect(changed?.settings).toMatchObject({ token: '••••', chat_id: '@ops' });
  expect(await page.content()).not.toContain(SECRET);

  await page.getByRole('button', { name: 'Remove channel on call' }).click();
  await page.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByText('No channels yet.')).toBeVisible();
});

test('a preset fills a webhook in', async ({ page, hub, api }) => {
  await signIn(page, hub);
  await page.goto(`${hub.url}/channels`);
  await page.getByRole('button', { name: 'Add channel' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('room');
  await dialog.getByLabel('Kind').selectOption('Gotify');
  await expect(dialog.getByLabel('URL')).toHaveValue('https://HOST/message');
  await dialog.getByLabel('URL').fill('https://gotify.example.org/message');
  await dialog.getByLabel('Value of header 1').fill('the key');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('row', { name: /room.*Webhook/ })).toBeVisible();
  const [channel] = await api.call<Channel[]>('GET', '/alert/channel');
  expect(channel?.settings).toMatchObject({ method: 'POST', headers: { 'X-Gotify-Key': '••••' } });
  expect(channel?.settings.body).toContain('"priority":8');
});

test('what the hub refuses is said at its field, also where it is folded away', async ({ page, hub }) => {
  await signIn(page, hub);
  await page.goto(`${hub.url}/channels`);
  await page.getByRole('button', { name: 'Add channel' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('wrong');
  await dialog.getByLabel('Kind').selectOption('ntfy');
  await dialog.getByLabel('Topic').fill('ops');
  await dialog.getByLabel('URL').fill('ftp://example.org');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(dialog.getByLabel('URL')).toHaveAttribute('aria-invalid', 'true');
  await expect(dialog.getByLabel('URL')).toBeFocused();
  await expect(dialog.getByRole('alert')).toHaveCount(1);

  await dialog.getByLabel('URL').fill('https://ntfy.example.org');
  await dialog.getByText('Texts and limits').click();
  await dialog.getByLabel('Subject template').fill('x'.repeat(20_000));
  await dialog.getByText('Texts and limits').click();
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(dialog.getByLabel('Subject template')).toBeFocused();
  await expect(dialog.getByLabel('Subject template')).toHaveAccessibleDescription(/limit of 16384/);
});

test('channels are written in Chinese too', async ({ page, hub }) => {
  await signIn(page, hub);
  await inLanguage(page, 'zh');
  await page.goto(`${hub.url}/channels`);
  await expect(page.getByRole('heading', { name: '通知方式' })).toBeVisible();
  await page.getByRole('button', { name: '添加通知方式' }).click();
  await page.getByRole('dialog').getByLabel('类型').selectOption('钉钉');
  await expect(page.getByRole('dialog').getByLabel('URL')).toHaveValue(/dingtalk/);
});

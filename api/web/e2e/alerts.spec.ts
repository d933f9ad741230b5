import type { Page } from '@playwright/test';

import { makeAlerts } from './alerts';
import { type Api, expect, type Hub, signIn, test } from './hub';
import { inLanguage } from './language';
import { startProcesses } from './processes';
import { Receiver } from './receiver';

/** A page asks every 10 s, and the badge every 15 s. The rest is for a slow machine. */
const SHOWN_MS = 90_000;

test.use({ hubOptions: ['--alert-interval-s', '1', '--group-wait-s', '0', '--group-interval-s', '0'] });

test('a new hub tells nobody, until a channel is added, tried, and used by its rules', async ({ page, hub, api }) => {
  const receiver = new Receiver();
  await receiver.start();
  try {
    await signIn(page, hub);
    await page.getByRole('link', { name: 'Alerts', exact: true }).click();
    await expect(page.getByText('Nothing is wrong: there are no alerts.')).toBeVisible();
    await expect(page.getByText('Nothing happened in this period.')).toBeVisible();
    const nobody = page.getByText('Nobody is told of alerts');
    await expect(nobody).toBeVisible();
    await page.getByRole('link', { name: 'Rules' }).click();
    await expect(page.getByRole('heading', { name: 'Alert rules' })).toBeVisible();
    await expect(page.getByRole('link', { name: 'Rules' })).toHaveAttribute('aria-current', 'page');
    await nobody.getByRole('link', { name: 'Add a channel.' }).click();

    await addWebhook(page, receiver);
    await expect(page.getByRole('row', { name: /on call.*Webhook.*5 rules.*not used yet/ })).toBeVisible();
    await expect(nobody).toBeHidden();
    await page.getByRole('button', { name: 'Send a test message to on call' }).click();
    await expect(page.getByText('A test message is on its way.')).toBeVisible();
    await expect.poll(() => receiver.told.map(({ status }) => status)).toEqual(['test']);
    await expect(page.getByRole('row', { name: /on call.*last message/ })).toBeVisible();

    const rules = await api.call<{ channels: number[] }[]>('GET', '/alert/rule');
    expect(rules.map(({ channels }) => channels.length)).toEqual([1, 1, 1, 1, 1]);
    await page.getByRole('button', { name: 'Remove channel on call' }).click();
    await expect(page.getByRole('dialog').getByText('5 rules will not tell it any more.')).toBeVisible();
    await page.getByRole('button', { name: 'Confirm' }).click();
    await expect(page.getByText('No channels yet.')).toBeVisible();
    await expect(nobody).toBeVisible();
  } finally {
    await receiver.stop();
  }
});

async function addWebhook(page: Page, receiver: Receiver): Promise<void> {
  await page.getByRole('button', { name: 'Add channel' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add channel' });
  await dialog.getByLabel('Name', { exact: true }).fill('on call');
  await dialog.getByLabel('Kind').selectOption('Webhook');
  await dialog.getByLabel('URL').fill(receiver.url);
  await expect(dialog.getByRole('checkbox', { name: 'Use it in the 5 rules that have no channel' })).toBeChecked();
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(dialog).toBeHidden();
}

const STARTED = 400;
/** Processes of others may come and go meanwhile. */
const MORE_THAN = 200;

/** A server with an agent, and how many processes its machine has. */
async function reporting(hub: Hub, api: Api): Promise<{ id: number; processes: number }> {
  const { id, command } = await api.addServer({ name: 'database', tag: 'db' });
  hub.runCommand(command);
  const processes = async (): Promise<number> => {
    const [server] = await api.call<{ status: { ProcessCount: number } | null }[]>('GET', `/server/details?id=${id}`);
    return server?.status?.ProcessCount ?? 0;
  };
  await expect.poll(processes, { timeout: SHOWN_MS }).toBeGreaterThan(0);
  return { id, processes: await processes() };
}

test('what a rule finds is told, shown, acknowledged, silenced, and over with its cause', async ({
  page,
  hub,
  api,
}) => {
  const receiver = new Receiver();
  await receiver.start();
  let stop: () => void = () => undefined;
  try {
    const { id, processes } = await reporting(hub, api);
    await signIn(page, hub);
    await page.goto(`${hub.url}/channels`);
    await addWebhook(page, receiver);
    await page.goto(`${hub.url}/rules`);
    await addRule(page, processes + MORE_THAN);

    stop = startProcesses(STARTED);
    await expect.poll(() => receiver.statusesOf('many processes'), { timeout: SHOWN_MS }).toEqual(['firing']);
    const [fired] = receiver.told.filter(({ rule }) => rule?.name === 'many processes');
    expect(fired).toMatchObject({ severity: 'critical', count: 1, servers: [{ id, name: 'database' }] });
    expect(fired?.servers[0]?.value).toBeGreaterThan(processes + MORE_THAN);

    await page.goto(`${hub.url}/alerts`);
    const link = page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: /^Alerts/ });
    await expect(link).toHaveAccessibleName('Alerts (1 alert is firing)');
    const row = page.getByRole('row', { name: /Critical.*Firing.*database.*db.*many processes.*\d+/ });
    await expect(row).toBeVisible();
    const log = page.getByRole('region', { name: 'Log' });
    await expect(log.getByRole('row', { name: /Fired.*Critical.*database.*many processes/ })).toBeVisible();
    await page.getByLabel('Severity').selectOption('Info');
    await expect(page.getByText('No alert matches.')).toBeVisible();
    await page.getByLabel('Severity').selectOption('All severities');

    await page.getByRole('button', { name: 'Acknowledge many processes of database' }).click();
    await expect(row.getByText('acknowledged by admin')).toBeVisible();
    await expect(page.getByRole('button', { name: /^Acknowledge/ })).toHaveCount(0);

    await page.getByRole('link', { name: 'Silences' }).click();
    await page.getByRole('button', { name: 'Add silence' }).click();
    const dialog = page.getByRole('dialog', { name: 'Add silence' });
    await dialog.getByLabel('Comment').fill('a batch');
    await dialog.getByRole('checkbox', { name: 'many processes' }).check();
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(page.getByRole('row', { name: /a batch.*active.*many processes.*admin/ })).toBeVisible();
    await page.getByRole('link', { name: 'Overview' }).click();
    await expect(row.getByText('silenced')).toBeVisible();
    await expect(log.getByRole('row', { name: /Acknowledged.*many processes/ })).toBeVisible();
    await inLanguage(page, 'zh');
    await page.reload();
    await expect(page.getByRole('heading', { name: '告警', exact: true })).toBeVisible();
    const chinese = page.getByRole('row', { name: /严重.*告警中.*已静默.*admin 已确认.*database.*many processes/ });
    await expect(chinese).toBeVisible();
    await inLanguage(page, 'en');
    // The end of an alert is not told in a silence.
    await page.goto(`${hub.url}/silences`);
    await page.getByRole('button', { name: 'Remove silence a batch' }).click();
    await page.getByRole('button', { name: 'Confirm' }).click();
    await expect(page.getByText('No silences yet.')).toBeVisible();

    stop();
    stop = () => undefined;
    const statuses = (): string[] => receiver.statusesOf('many processes');
    await expect.poll(statuses, { timeout: SHOWN_MS }).toEqual(['firing', 'resolved']);
    await page.goto(`${hub.url}/alerts`);
    await expect(log.getByRole('row', { name: /Resolved.*database.*many processes/ })).toBeVisible();
    await expect(row).toHaveCount(0);
    await expect(link).toHaveAccessibleName('Alerts');
    const keys = receiver.told.map(({ key }) => key);
    expect(new Set(keys).size, 'each message has a key of its own').toBe(keys.length);
    console.log(`told: ${receiver.told.map(({ status, rule }) => `${status} ${rule?.name ?? ''}`).join(', ')}`);

    await page.goto(`${hub.url}/server/${id}`);
    await expect(page.getByRole('img', { name: /^CPU, last 1 hour\..*1 alert is marked\.$/ })).toBeVisible();
    await page.getByText('Alerts in this period (1)').click();
    await expect(page.getByText(/many processes, .* to /)).toBeVisible();
  } finally {
    stop();
    await receiver.stop();
  }
});

/** Adds a rule that fires at once when there are more processes, and tells the first channel. */
async function addRule(page: Page, processes: number): Promise<void> {
  await page.getByRole('button', { name: 'Add rule' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add rule' });
  await dialog.getByLabel('Name', { exact: true }).fill('many processes');
  await dialog.getByLabel('Severity').selectOption('Critical');
  await dialog.getByLabel('Metric').selectOption('Processes');
  await dialog.getByLabel('Value', { exact: true }).fill(String(processes));
  await dialog.getByLabel('Hold for', { exact: true }).fill('0');
  await dialog.getByLabel('End after', { exact: true }).fill('0');
  await dialog.getByRole('checkbox', { name: 'on call' }).check();
  await dialog.getByRole('button', { name: 'Preview' }).click();
  const answer = dialog.getByText('In the last 24 hours this rule would not have fired. 1 server was looked at.');
  await expect(answer).toBeVisible();
  await dialog.getByLabel('Value', { exact: true }).fill('0');
  await expect(answer).toBeHidden();
  // A preview looks every five seconds, and the agent may have begun to report since the last look.
  await expect(async () => {
    await dialog.getByRole('button', { name: 'Preview' }).click();
    const fired = dialog.getByText('In the last 24 hours this rule would have fired once, on 1 server.');
    await expect(fired).toBeVisible({ timeout: 5000 });
  }).toPass({ timeout: SHOWN_MS });
  await expect(dialog.getByRole('listitem')).toHaveText(/^database: once, .* in all, worst \d+$/);
  await dialog.getByLabel('Value', { exact: true }).fill(String(processes));
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('row', { name: /many processes.*Critical.*Processes > \d+.*on call/ })).toBeVisible();
}

test('a viewer sees alerts, rules and channels and changes none; a guest sees none', async ({ page, hub, api }) => {
  const { command } = await api.addServer({ name: 'database', tag: 'db' });
  await makeAlerts(api, { name: 'any memory', tag: 'db' });
  hub.runCommand(command);
  const alerts = async (): Promise<number> => (await api.call<unknown[]>('GET', '/alert')).length;
  await expect.poll(alerts, { timeout: SHOWN_MS }).toBeGreaterThan(0);
  await page.goto(`${hub.url}/alerts`);
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expect(page.getByRole('link', { name: /^Alerts/ })).toHaveCount(0);
  await api.call('POST', '/user', { name: 'bob', password: 'bobs long password', role: 'viewer' });
  await signIn(page, hub, 'bob', 'bobs long password');
  await page.goto(`${hub.url}/alerts`);
  await expect(page.getByRole('row', { name: /Firing.*database/ })).toBeVisible();
  await expect(page.getByRole('button', { name: /^Acknowledge/ })).toHaveCount(0);
  await expect(page.getByText('Nobody is told of alerts')).toHaveCount(0);
  for (const path of ['/rules', '/channels']) {
    await page.goto(`${hub.url}${path}`);
    await expect(page.getByRole('cell', { name: 'any memory' })).toBeVisible();
    await expect(page.getByRole('main').getByRole('button')).toHaveCount(0);
  }
});

import { makeAlerts } from './alerts';
import { type Api, expect, type Hub, signIn, test } from './hub';
import { inLanguage } from './language';

/** A pass every 5 s, a page that asks every 10 s, and a badge that asks every 15 s. */
const SHOWN_MS = 45_000;

async function firing(hub: Hub, api: Api): Promise<number> {
  const { id, command } = await api.addServer({ name: 'database', tag: 'db' });
  await makeAlerts(api, { name: 'any memory', tag: 'db' });
  hub.runCommand(command);
  return id;
}

test('an alert is counted, listed, acknowledged, logged, and marked on the charts', async ({ page, hub, api }) => {
  test.setTimeout(180_000);
  const id = await firing(hub, api);
  await signIn(page, hub);
  const link = page.getByRole('navigation', { name: 'Main navigation' }).getByRole('link', { name: /^Alerts/ });
  await expect(link).toHaveAccessibleName('Alerts (1 alert is firing)', { timeout: SHOWN_MS });
  await link.click();
  const row = page.getByRole('row', { name: /Critical.*Firing.*database.*any memory.*%/ });
  await expect(row).toBeVisible({ timeout: SHOWN_MS });
  const log = page.getByRole('region', { name: 'Log' });
  await expect(log.getByRole('row', { name: /Fired.*Critical.*database.*any memory/ })).toBeVisible();

  await page.getByRole('button', { name: 'Acknowledge any memory of database' }).click();
  await expect(row.getByText('acknowledged by admin')).toBeVisible();
  await expect(page.getByRole('button', { name: /^Acknowledge/ })).toHaveCount(0);
  await expect(log.getByRole('row', { name: /Acknowledged/ })).toBeVisible({ timeout: SHOWN_MS });

  await page.getByLabel('Severity').selectOption('Info');
  await expect(page.getByText('No alert matches.')).toBeVisible();
  await page.getByLabel('Severity').selectOption('All severities');
  await row.getByRole('link', { name: 'database' }).click();
  await expect(page).toHaveURL(new RegExp(`/server/${id}$`));
  await expect(page.getByRole('img', { name: /^CPU, last 1 hour\..*1 alert is marked\.$/ })).toBeVisible({
    timeout: SHOWN_MS,
  });
  await page.getByText('Alerts in this period (1)').click();
  await expect(page.getByText(/any memory, since /)).toBeVisible();
});

test('without alerts nothing is wrong, and nothing is counted', async ({ page, hub }) => {
  await signIn(page, hub);
  await page.getByRole('link', { name: 'Alerts', exact: true }).click();
  await expect(page.getByText('Nothing is wrong: there are no alerts.')).toBeVisible();
  await expect(page.getByText('Nothing happened in this period.')).toBeVisible();
  await page.getByRole('link', { name: 'Rules' }).click();
  await expect(page.getByRole('heading', { name: 'Alert rules' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Rules' })).toHaveAttribute('aria-current', 'page');
});

test('a viewer sees alerts and acknowledges none; a guest sees none', async ({ page, hub, api }) => {
  test.setTimeout(120_000);
  await firing(hub, api);
  await page.goto(`${hub.url}/alerts`);
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expect(page.getByRole('link', { name: /^Alerts/ })).toHaveCount(0);
  await api.call('POST', '/user', { name: 'bob', password: 'bobs long password', role: 'viewer' });
  await signIn(page, hub, 'bob', 'bobs long password');
  await page.goto(`${hub.url}/alerts`);
  await expect(page.getByRole('row', { name: /Firing.*database/ })).toBeVisible({ timeout: SHOWN_MS });
  await expect(page.getByRole('button', { name: /^Acknowledge/ })).toHaveCount(0);
});

test('alerts are written in Chinese too', async ({ page, hub, api }) => {
  test.setTimeout(120_000);
  await firing(hub, api);
  await signIn(page, hub);
  await inLanguage(page, 'zh');
  await page.goto(`${hub.url}/alerts`);
  await expect(page.getByRole('heading', { name: '告警', exact: true })).toBeVisible();
  await expect(page.getByRole('row', { name: /严重.*告警中.*database/ })).toBeVisible({ timeout: SHOWN_MS });
});

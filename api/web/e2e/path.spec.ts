import type { Page } from '@playwright/test';

import { expect, type Hub, signIn, test } from './hub';
import { ReverseProxy } from './proxy';

/** Opens everything that is asked for, under a path. */
async function walk(page: Page, hub: Hub, proxy: ReverseProxy, id: number): Promise<void> {
  const failed: string[] = [];
  page.on('response', (answer) => {
    if (answer.status() >= 400) failed.push(`${answer.status()} ${answer.url()}`);
  });
  await signIn(page, hub, 'admin', hub.password, proxy.url);
  await expect(page).toHaveURL(proxy.url);
  const online = page.getByRole('img', { name: 'Online', exact: true });
  await expect(online).toBeVisible({ timeout: 20_000 });

  await page.getByRole('link', { name: 'steady' }).click();
  await expect(page).toHaveURL(`${proxy.url}server/${id}`);
  await expect(page.getByRole('img', { name: /^CPU, last 1 hour/ })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('img', { name: /^CPU, last 1 hour/ })).toBeVisible();
  await expect(online).toBeVisible();
  await page.goBack();
  await expect(page.getByRole('table')).toBeVisible();

  for (const [link, path] of [
    ['Servers', 'manage'],
    ['Enrolment', 'enrol'],
    ['Users', 'users'],
  ] as const) {
    await page.getByRole('link', { name: link, exact: true }).click();
    await expect(page).toHaveURL(`${proxy.url}${path}`);
    await page.reload();
    await expect(page.getByRole('button', { name: /^Add/ })).toBeVisible();
  }
  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'API Token' }).click();
  await expect(page).toHaveURL(`${proxy.url}api`);
  for (const path of ['manage/', `server/${id}/`]) {
    await page.goto(`${proxy.url}${path}`);
    await expect(page).toHaveURL(`${proxy.url}${path.slice(0, -1)}`);
    await expect(page.getByText('steady').first()).toBeVisible();
  }
  await page.goto(proxy.url.slice(0, -1));
  await expect(online).toBeVisible();

  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await expect(page.getByText('You are signed out.')).toBeVisible();
  await expect(page).toHaveURL(`${proxy.url}login`);
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  expect(failed).toEqual([]);
  const { pathname } = new URL(proxy.url);
  expect(proxy.asked.filter((path) => !path.startsWith(pathname.slice(0, -1)))).toEqual([]);
}

for (const prefix of ['/wind/', '/tools/wind%20fire/']) {
  test(`the panel works behind a proxy that serves it under ${prefix}`, async ({ page, hub, api }) => {
    const { id, command } = await api.addServer({ name: 'steady' });
    hub.runCommand(command);
    const proxy = new ReverseProxy(hub.url, { prefix });
    await proxy.start();
    try {
      await walk(page, hub, proxy, id);
    } finally {
      await proxy.stop();
    }
  });
}

test('what lies beside the panel on its host is not taken for a page of it', async ({ page, hub }) => {
  const proxy = new ReverseProxy(hub.url, { prefix: '/wind/' });
  await proxy.start();
  try {
    await page.goto(`${proxy.url}login`);
    await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
    await page.evaluate(() =>
      document.querySelector('main')?.insertAdjacentHTML('beforeend', '<a href="/login">elsewhere</a>'),
    );
    await page.getByRole('link', { name: 'elsewhere' }).click();
    await expect(page.getByText('nothing of the hub is here')).toBeVisible();
  } finally {
    await proxy.stop();
  }
});

import type { Page } from '@playwright/test';

import { expect, type Hub, signIn, test } from './hub';
import { ReverseProxy } from './proxy';

/** Opens everything of the panel that this proxy has at `url`, under a path. */
async function walk(page: Page, hub: Hub, proxy: ReverseProxy, id: number, url = proxy.url): Promise<void> {
  const failed: string[] = [];
  page.on('response', (answer) => {
    if (answer.status() >= 400) failed.push(`${answer.status()} ${answer.url()}`);
  });
  await signIn(page, hub, 'admin', hub.password, url);
  await expect(page).toHaveURL(url);
  const online = page.getByRole('img', { name: 'Online', exact: true });
  await expect(online).toBeVisible();

  await page.getByRole('link', { name: 'steady' }).click();
  await expect(page).toHaveURL(`${url}server/${id}`);
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
    await expect(page).toHaveURL(`${url}${path}`);
    await page.reload();
    await expect(page.getByRole('button', { name: /^Add/ })).toBeVisible();
  }
  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'API Token' }).click();
  await expect(page).toHaveURL(`${url}api`);
  for (const path of ['manage/', `server/${id}/`]) {
    await page.goto(`${url}${path}`);
    await expect(page).toHaveURL(`${url}${path.slice(0, -1)}`);
    await expect(page.getByText('steady').first()).toBeVisible();
  }
  await page.goto(url.slice(0, -1));
  await expect(online).toBeVisible();

  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await expect(page.getByText('You are signed out.')).toBeVisible();
  await expect(page).toHaveURL(`${url}login`);
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  expect(failed).toEqual([]);
  const { pathname } = new URL(url);
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

test.describe('of a hub with a base path', () => {
  test.use({ hubOptions: ['--base-path', '/tools/windfire/'] });

  test('the panel works behind a proxy that passes paths on as they are', async ({ page, hub, api }) => {
    const { id, command } = await api.addServer({ name: 'steady' });
    hub.runCommand(command);
    const proxy = new ReverseProxy(hub.origin);
    await proxy.start();
    try {
      const url = `${proxy.url}tools/windfire/`;
      await walk(page, hub, proxy, id, url);
      await signIn(page, hub, 'admin', hub.password, url);
      const cookies = await page.context().cookies();
      expect(cookies.map((cookie) => cookie.path)).toEqual(['/tools/windfire/']);
      await page.goto(proxy.url);
      await expect(page).toHaveURL(url);
      await expect(page.getByRole('button', { name: 'Account menu' })).toBeVisible();
    } finally {
      await proxy.stop();
    }
  });

  test('a proxy that takes the path off as well leads nobody in circles', async ({ page, hub }) => {
    const proxy = new ReverseProxy(hub.origin, { prefix: '/tools/windfire/' });
    await proxy.start();
    try {
      await page.goto(proxy.url);
      await expect(page).toHaveURL(`${proxy.url}tools/windfire/`);
    } finally {
      await proxy.stop();
    }
  });
});

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

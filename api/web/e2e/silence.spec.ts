import type { Locator, Page } from '@playwright/test';

import { type Api, expect, type Hub, signIn, test } from './hub';
import { ReverseProxy } from './proxy';

/** The hub says something every 5 s; a page waits 12 s for it. The rest is for a slow machine. */
const NOTICED_MS = 90_000;

const lost = (page: Page): Locator => page.getByText('Connection to the hub lost, trying again…');
const online = (page: Page): Locator => page.getByRole('img', { name: 'Online', exact: true });

async function reporting(hub: Hub, api: Api): Promise<number> {
  const { id, command } = await api.addServer({ name: 'steady' });
  hub.runCommand(command);
  return id;
}

/** Uses a proxy before the hub whose manner is for these paths. */
async function behind(
  hub: Hub,
  applies: (path: string) => boolean,
  use: (proxy: ReverseProxy) => Promise<void>,
): Promise<void> {
  const proxy = new ReverseProxy(hub.url, { applies });
  await proxy.start();
  try {
    await use(proxy);
  } finally {
    await proxy.stop();
  }
}

const isStream = (path: string): boolean => path.includes('/server/stream');

test('a hub that stands still is noticed, and nothing is called online meanwhile', async ({ page, hub, api }) => {
  await reporting(hub, api);
  await page.goto(hub.url);
  await expect(online(page)).toBeVisible();
  hub.freeze();
  await expect(lost(page)).toBeVisible({ timeout: NOTICED_MS });
  await expect(lost(page)).toContainText(/This data is from \d\d:\d\d:\d\d\./);
  await expect(online(page)).toHaveCount(0);
  await expect(page.getByRole('img', { name: 'Unknown while the hub is unreachable' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'steady' })).toBeVisible();
  hub.thaw();
  await expect(lost(page)).toBeHidden();
  await expect(online(page)).toBeVisible();
});

test('a stream that falls silent on its way is noticed, and comes back', async ({ page, hub, api }) => {
  const id = await reporting(hub, api);
  await behind(hub, isStream, async (proxy) => {
    for (const path of ['', `server/${id}`]) {
      proxy.manner = 'passes';
      await page.goto(`${proxy.url}${path}`);
      await expect(online(page)).toBeVisible();
      proxy.manner = 'silent';
      await expect(lost(page)).toBeVisible({ timeout: NOTICED_MS });
      await expect(online(page)).toHaveCount(0);
      proxy.manner = 'passes';
      await expect(lost(page)).toBeHidden();
      await expect(online(page)).toBeVisible();
    }
  });
});

test('a proxy that holds the stream back is named', async ({ page, hub, api }) => {
  await reporting(hub, api);
  await behind(hub, isStream, async (proxy) => {
    proxy.manner = 'holds';
    await page.goto(proxy.url);
    await expect(page.getByText('its live stream does not arrive')).toBeVisible({ timeout: NOTICED_MS });
    await expect(page.getByText('Loading…')).toHaveCount(0);
  });
});

test('a fleet in which nothing changes is not lost, and time goes on in it', async ({ page, api, hub }) => {
  const { command } = await api.addServer({ name: 'gone' });
  const agent = hub.runCommand(command);
  await page.goto(hub.url);
  await expect(online(page)).toBeVisible();
  await agent.stop();
  const ago = page.getByText(/last report \d+ seconds? ago/);
  await expect(ago).toBeVisible();
  const first = await ago.innerText();
  // Longer than a page waits for a hub.
  await page.waitForTimeout(13_000);
  await expect(lost(page)).toHaveCount(0);
  expect(await ago.innerText()).not.toBe(first);
});

test('requests that are never answered are given up with a word', async ({ page, hub, api }) => {
  const id = await reporting(hub, api);
  await behind(
    hub,
    (path) => /history|\/session|\/manage/.test(path),
    async (proxy) => {
      const laterPages = page.waitForResponse(/ManagePage/);
      await signIn(page, hub, 'admin', hub.password, proxy.url);
      await expect(page.getByRole('link', { name: 'steady' })).toBeVisible();
      await (await laterPages).finished();
      proxy.manner = 'silent';
      await page.getByRole('link', { name: 'steady' }).click();
      await expect(page.getByRole('alert')).toHaveText('The hub does not answer.');
      await page.getByRole('link', { name: 'Servers', exact: true }).click();
      await expect(page.getByRole('alert')).toContainText('The hub does not answer.');
      proxy.manner = 'passes';
      await page.getByRole('button', { name: 'Try again' }).click();
      await expect(page.getByRole('cell', { name: 'steady' }).first()).toBeVisible();
      proxy.manner = 'silent';
      await page.goto(`${proxy.url}server/${id}`);
      await expect(page.getByText('The hub does not answer. Trying again…')).toBeVisible();
      proxy.manner = 'passes';
      await expect(page.getByRole('heading', { name: 'steady' })).toBeVisible();
    },
  );
});

test('a proxy that does not reach the hub is not taken for it', async ({ page, hub, api }) => {
  await reporting(hub, api);
  await behind(
    hub,
    () => true,
    async (proxy) => {
      const laterPages = page.waitForResponse(/ManagePage/);
      await signIn(page, hub, 'admin', hub.password, proxy.url);
      await expect(online(page)).toBeVisible();
      await (await laterPages).finished();
      await hub.stop();
      await expect(lost(page)).toBeVisible();
      await expect(page.getByText('HTTP 502')).toBeVisible();
      await page.getByRole('link', { name: 'Servers', exact: true }).click();
      await expect(page.getByRole('alert')).toContainText('Something other than the hub answered (HTTP 502)');
    },
  );
});

test('a page whose scripts are gone says so instead of nothing', async ({ page, hub }) => {
  await page.route(/assets\/UsersPage.*\.js/, (route) => route.abort());
  await signIn(page, hub);
  await page.getByRole('link', { name: 'Users' }).click();
  await expect(page.getByRole('alert')).toContainText('This page could not be loaded');
  await page.getByRole('link', { name: 'Live' }).click();
  await expect(page.getByText('No servers yet.')).toBeVisible();
});

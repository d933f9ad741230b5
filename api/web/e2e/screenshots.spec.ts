import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import type { Page } from '@playwright/test';

import { Api, BIN_DIR, expect, Hub, signIn, test } from './hub';

const SHOTS_DIR = process.env.SHOTS_DIR ?? 'test-results/shots';
const DEVICES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const SCHEMES = ['dark', 'light'] as const;
const NAMES = ['web 1', 'db 1', 'cache 1'];
const FLEET = 10_000;
/** Reports after the gap in a chart: so that there is a line to see. */
const REPORTS = 20;

async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  await page.screenshot({ path: join(SHOTS_DIR, `${name}.png`), fullPage });
}

test('three servers, with a gap', async ({ page }) => {
  const hub = new Hub();
  try {
    // A day that ended a while ago; agents come back now.
    hub.makeHistory(NAMES.length, 14);
    await hub.start();
    await shootThreeServers(page, hub);
  } finally {
    await hub.dispose();
  }
});

async function shootThreeServers(page: Page, hub: Hub): Promise<void> {
  const api = await Api.signedIn(hub);
  const first = 1;
  for (const [index, name] of NAMES.entries()) {
    await api.call('PATCH', `/manage/server/${first + index}`, { name, tag: name.split(' ')[0] });
    hub.runCommand(await api.newCommand(first + index));
  }
  const reports = async (): Promise<number> => {
    const [uptime] = await api.call<{ reports: number }[]>('GET', `/server/uptime?id=${first}&from=-10m`);
    return uptime?.reports ?? 0;
  };
  await expect.poll(reports).toBeGreaterThan(REPORTS);
  await api.dispose();

  await signIn(page, hub);
  for (const [device, viewport] of Object.entries(DEVICES)) {
    for (const colorScheme of SCHEMES) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.goto(hub.url);
      await expect(page.getByRole('img', { name: 'Online' })).toHaveCount(NAMES.length);
      await page.waitForTimeout(5000);
      await shoot(page, `live-${device}-${colorScheme}`);
      await page.goto(`${hub.url}/server/${first}`);
      await expect(page.getByRole('img', { name: /^CPU, last/ })).toBeVisible();
      await shoot(page, `server-${device}-${colorScheme}`, true);
      await page.goto(`${hub.url}/api`);
      await page.getByRole('button', { name: 'Add Token' }).click();
      await shoot(page, `token-${device}-${colorScheme}`);
    }
  }
}

test('ten thousand servers', async ({ page }) => {
  const bench = spawn(join(BIN_DIR, 'windfire-bench'), ['fleet', '--agents', `${FLEET}`, '--duration', '60s'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((done) => bench.once('exit', done));
  try {
    let url = '';
    for await (const line of createInterface({ input: bench.stdout })) {
      url = /^hub +(http:\S+)$/.exec(line)?.[1] ?? url;
      if (line.startsWith('connected')) break;
    }
    expect(url, 'the harness names its hub').not.toBe('');
    for (const [device, viewport] of Object.entries(DEVICES)) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme: device === 'phone' ? 'dark' : 'light' });
      await page.goto(url);
      await expect(page.getByText('10000', { exact: true }).first()).toBeVisible();
      await page.waitForTimeout(5000);
      await shoot(page, `fleet-${device}`);
    }
  } finally {
    // A panic of the harness ends its hub too; a signal would leave the hub behind.
    await ended;
  }
});

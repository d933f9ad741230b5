import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';

import type { ClusterState } from '../src/cluster/state';
import { expect, signIn, test } from './hub';
import { inLanguage } from './language';
import { CLUSTER_PATH } from './pages';

/** A hub that is well, as `GET /api/v1/cluster` says it. A hub with brokers is tested in `engine/hub/tests`. */
const WELL: ClusterState = {
  name: 'main',
  hub_id: 'hub-a',
  not_ready: null,
  broker: 'broker-b.rack-17.example.internal',
  lease_s: 6,
  brokers: [
    { name: 'broker-a.rack-17.example.internal', version: '2.15.1', is_synced: true },
    { name: 'broker-b.rack-17.example.internal', version: '2.15.1', is_synced: true },
    { name: 'broker-c.rack-17.example.internal', version: '2.15.1', is_synced: null },
  ],
  is_sync_stated: true,
  warnings: [],
  missing_copies: null,
  hubs: [
    { hub_id: 'hub-a', runs: true, renewed_s: 1 },
    { hub_id: 'hub-b', runs: true, renewed_s: 2 },
    { hub_id: 'hub-c', runs: false, renewed_s: 75 },
  ],
  alerts_hub_id: 'hub-b',
  registry_applied: 12,
  registry_lag_messages: 0,
  partitions: Array.from({ length: 16 }, (_, partition) => ({ partition, applied: 4711, lag_messages: 0, lag_s: 0 })),
};
const WARNING = 'the broker broker-c writes to its disk every 120 s, and a power cut loses what it acknowledged since';
const MISSING = 'the stream WF_main_03 has 2 of its 3 copies: a broker is down, or does not keep up';
const UNWELL: ClusterState = {
  ...WELL,
  not_ready: 'this hub is 12 s, or 40 messages, behind its cluster: what it shows is old',
  brokers: WELL.brokers.map((broker) => ({ ...broker, is_synced: false })),
  warnings: [WARNING],
  missing_copies: MISSING,
};

/** Lets the hub answer that; the next answers are those of the object as it is then. */
async function answerWith(page: Page, answer: { state: ClusterState }): Promise<void> {
  await page.route('**/api/v1/cluster', (route) =>
    route.fulfill({ json: { code: 0, message: 'success', result: answer.state } }),
  );
}

async function expectWellMade(page: Page, what: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect
    .soft(
      violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`),
      what,
    )
    .toEqual([]);
  const scrolls = await page.evaluate(
    () => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1,
  );
  expect.soft(scrolls, `${what} scrolls sideways`).toBe(false);
}

test('a hub that is alone has no page about a cluster in its menu', async ({ page, hub }) => {
  await signIn(page, hub);
  await page.getByRole('button', { name: 'Account menu' }).click();
  await expect(page.getByRole('menuitem', { name: 'API Token' })).toBeVisible();
  await expect(page.getByRole('menuitem', { name: 'Cluster' })).toHaveCount(0);
  await page.goto(`${hub.url}${CLUSTER_PATH}`);
  await expect(page.getByText('This hub is alone.')).toBeVisible();
  await expectWellMade(page, 'alone');
});

test('a hub that falls behind is told on every page, and no more once it has caught up', async ({ page, hub }) => {
  const answer = { state: WELL };
  await answerWith(page, answer);
  await signIn(page, hub);
  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'Cluster' }).click();
  await expect(page.getByRole('heading', { name: 'Cluster' })).toBeVisible();
  await expect(page.getByRole('row', { name: /hub-a.*This hub.*yes/ })).toBeVisible();
  await expect(page.getByRole('row', { name: /hub-b.*judges alerts.*yes/ })).toBeVisible();
  await expect(page.getByRole('row', { name: /hub-c.*no/ })).toBeVisible();
  await expect(page.getByRole('row', { name: /broker-c.*stated in the configuration/ })).toBeVisible();
  await expect(page.getByRole('table')).toHaveCount(3);
  await expect(page.locator('.cluster-faults')).toHaveCount(0);

  answer.state = UNWELL;
  await expect(page.locator('.cluster-faults')).toContainText('12 s, or 40 messages, behind');
  await expect(page.locator('.cluster-faults')).toContainText(WARNING);
  await page.getByRole('link', { name: 'Live' }).click();
  const badge = page.getByRole('link', { name: 'Hub not ready' });
  await expect(badge).toBeVisible();
  await badge.click();
  await expect(page.getByRole('heading', { name: 'Cluster' })).toBeVisible();

  answer.state = { ...WELL, lease_s: 0 };
  await expect(page.getByRole('link', { name: 'No majority of brokers' })).toBeVisible();
  answer.state = { ...WELL, missing_copies: MISSING };
  await expect(page.getByRole('link', { name: 'A broker is missing' })).toBeVisible();
  await expect(page.locator('.cluster-faults')).toContainText('WF_main_03 has 2 of its 3 copies');
  answer.state = WELL;
  await expect(page.locator('.header a.badge')).toHaveCount(0);
  await expect(page.locator('.cluster-faults')).toHaveCount(0);
});

test('viewers are not told', async ({ page, hub, api }) => {
  await api.call('POST', '/user', { name: 'vera', password: 'looks, and nothing else', role: 'viewer' });
  let asked = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/api/v1/cluster')) asked += 1;
  });
  await signIn(page, hub, 'vera', 'looks, and nothing else');
  await page.goto(`${hub.url}${CLUSTER_PATH}`);
  await expect(page.getByText('Only administrators can see this page.')).toBeVisible();
  expect(asked).toBe(0);
});

for (const colorScheme of ['dark', 'light'] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme });

    test('the page has no barrier, in either language, on phones too', async ({ page, hub }) => {
      await answerWith(page, { state: UNWELL });
      await signIn(page, hub);
      for (const language of ['en', 'zh'] as const) {
        await inLanguage(page, language);
        for (const width of [320, 768, 1280]) {
          await page.setViewportSize({ width, height: 800 });
          await page.goto(`${hub.url}${CLUSTER_PATH}`);
          await expect(page.getByRole('table')).toHaveCount(3);
          await expect(page.locator('.header a.badge')).toBeVisible();
          await expectWellMade(page, `${language}, ${width} px`);
        }
      }
    });
  });
}

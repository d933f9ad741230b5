import type { Page } from '@playwright/test';

import { expect, test } from './hub';

/** Seconds of which a line of CPU knows something. */
function secondsOf(page: Page): Promise<number> {
  return page
    .locator('.sparkline path')
    .first()
    .evaluate((path) => (path.getAttribute('d') ?? '').split(/[ML]/).length - 1);
}

/** Seconds of that line from before the page was opened: the live stream brings one a second, however slow a page is. */
async function secondsBefore(page: Page, openedMs: number): Promise<number> {
  return (await secondsOf(page)) - (Date.now() - openedMs) / 1000;
}

/** More than reports that gather while a page opens. */
const BEFORE_MIN = 8;

const asksForRecent = (url: string): boolean => url.includes('metric=cpu&');

test('a line of CPU is there when a page opens, for guests too, and is asked for once', async ({ page, hub, api }) => {
  const { id, command } = await api.addServer({ name: 'steady' });
  for (let other = 0; other < 150; other += 1) await api.addServer({ name: `other ${other}` });
  hub.runCommand(command);
  const reports = async (): Promise<number> => {
    const [uptime] = await api.call<{ reports: number }[]>('GET', `/server/uptime?id=${id}&from=-10m`);
    return uptime?.reports ?? 0;
  };
  await expect.poll(reports).toBeGreaterThan(15);

  const asked: string[] = [];
  page.on('request', (request) => {
    if (asksForRecent(request.url())) asked.push(request.url());
  });
  let openedMs = Date.now();
  await page.goto(hub.url);
  await expect(page.getByRole('img', { name: 'Online', exact: true })).toBeVisible();
  await expect.poll(() => secondsBefore(page, openedMs)).toBeGreaterThan(BEFORE_MIN);
  expect(asked.length).toBe(1);
  const ids = new URL(asked[0] ?? '').searchParams.get('id')?.split(',') ?? [];
  expect(ids, 'of those in sight, not of the fleet').toContain(String(id));
  expect(ids.length).toBeLessThan(60);
  await page.waitForTimeout(2000);
  expect(asked.length).toBe(1);

  openedMs = Date.now();
  await page.goto(`${hub.url}/server/${id}`);
  await expect.poll(() => secondsBefore(page, openedMs)).toBeGreaterThan(BEFORE_MIN);
});

import type { Page } from '@playwright/test';

import { expect, test } from './hub';

/** Seconds of which a line of CPU knows something. */
function secondsOf(page: Page): Promise<number> {
  return page
    .locator('.sparkline path')
    .first()
    .evaluate((path) => (path.getAttribute('d') ?? '').split(/[ML]/).length - 1);
}

/** Less than the live stream needs for a line of so many seconds. */
const LINE_MS = 8000;

const asksForRecent = (url: string): boolean => url.includes('metric=cpu&');

test('a line of CPU is there when a page opens, for guests too, and is asked for once', async ({ page, hub, api }) => {
  const { id, command } = await api.addServer({ name: 'steady' });
  for (let other = 0; other < 150; other += 1) await api.addServer({ name: `other ${other}` });
  hub.runCommand(command);
  const reports = async (): Promise<number> => {
    const [uptime] = await api.call<{ reports: number }[]>('GET', `/server/uptime?id=${id}&from=-10m`);
    return uptime?.reports ?? 0;
  };
  await expect.poll(reports, { timeout: 40_000 }).toBeGreaterThan(15);

  const asked: string[] = [];
  page.on('request', (request) => {
    if (asksForRecent(request.url())) asked.push(request.url());
  });
  await page.goto(hub.url);
  await expect(page.getByRole('img', { name: 'Online', exact: true })).toBeVisible();
  await expect.poll(() => secondsOf(page), { timeout: LINE_MS }).toBeGreaterThan(14);
  expect(asked.length).toBe(1);
  const ids = new URL(asked[0] ?? '').searchParams.get('id')?.split(',') ?? [];
  expect(ids, 'of those in sight, not of the fleet').toContain(String(id));
  expect(ids.length).toBeLessThan(60);
  await page.waitForTimeout(2000);
  expect(asked.length).toBe(1);

  await page.goto(`${hub.url}/server/${id}`);
  await expect.poll(() => secondsOf(page), { timeout: LINE_MS }).toBeGreaterThan(14);
});

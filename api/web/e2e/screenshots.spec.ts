import { join } from 'node:path';

import { expect, type Hub, signIn, test } from './hub';

const SHOTS_DIR = process.env.SHOTS_DIR ?? 'test-results/shots';
/** So that there is a line to see; a chart of one report is a dot. */
const SHOWN_AFTER_MS = Number(process.env.SHOTS_AFTER_S ?? 20) * 1000;

/** Servers of the large fleet; none unless asked for, as adding them takes a while. */
const FLEET = Number(process.env.SHOTS_FLEET ?? 0);

const DEVICES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const NAMES = ['web 1', 'db 1', 'cache 1'];

for (const [device, viewport] of Object.entries(DEVICES)) {
  for (const colorScheme of ['dark', 'light'] as const) {
    test.describe(`${device} ${colorScheme}`, () => {
      test.use({ viewport, colorScheme });

      test('screenshots', async ({ page, hub, api }) => {
        test.setTimeout(120_000 + SHOWN_AFTER_MS);
        const ids: number[] = [];
        for (const name of NAMES) {
          const { id, command } = await api.addServer({ name, tag: name.split(' ')[0] });
          ids.push(id);
          hub.runCommand(command);
        }
        const shoot = async (name: string, fullPage = false): Promise<void> => {
          await page.screenshot({ path: join(SHOTS_DIR, `${name}-${device}-${colorScheme}.png`), fullPage });
        };
        await signIn(page, hub);
        await expect(page.getByRole('img', { name: 'Online' })).toHaveCount(NAMES.length, { timeout: 30_000 });
        await page.waitForTimeout(SHOWN_AFTER_MS);
        await shoot('live');
        await page.goto(pathOf(hub, ids[0] ?? 0));
        await expect(page.getByRole('img', { name: /^CPU, last/ })).toBeVisible();
        await page.waitForTimeout(3000);
        await shoot('server', true);
        await page.goto(`${hub.url}/api`);
        await page.getByRole('button', { name: 'Add Token' }).click();
        await shoot('token');
      });
    });
  }
}

test.describe('large fleet', () => {
  test.skip(FLEET === 0, 'SHOTS_FLEET says how many servers');

  test('screenshot', async ({ page, hub, api }) => {
    test.setTimeout(600_000);
    await hub.bigFleet(api, FLEET);
    await signIn(page, hub);
    await expect(page.getByRole('row').getByRole('img', { name: 'Online' }).first()).toBeVisible({ timeout: 60_000 });
    await page.waitForTimeout(SHOWN_AFTER_MS);
    await page.screenshot({ path: join(SHOTS_DIR, `fleet-${FLEET}.png`) });
  });
});

function pathOf(hub: Hub, id: number): string {
  return `${hub.url}/server/${id}`;
}

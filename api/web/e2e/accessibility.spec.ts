import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';

import { makeAlerts } from './alerts';
import { expect, signIn, test } from './hub';
import { ADMIN_PATHS, ALERT_PATHS } from './pages';

async function expectAccessible(page: Page, what: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  const told = grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
  expect.soft(told, what).toEqual([]);
}

test.use({ hubOptions: ['--alert-interval-s', '1'] });

for (const colorScheme of ['dark', 'light'] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme });

    test('no page has a grave barrier', async ({ page, hub, api }) => {
      const { id, command } = await api.addServer({ name: 'online', tag: 'web' });
      await api.addServer({ name: 'never reported', hide_for_guest: true });
      await api.call('POST', '/token', { note: 'a token', scopes: ['read'], tags: [], expires: null });
      await api.call('POST', '/enrol-token', { note: 'rack', tag: 'web', uses: 3, expires: null });
      // Early, so that it fires by the time that its page is looked at.
      await makeAlerts(api, { name: 'busy', tag: 'web' });
      hub.runCommand(command);

      await page.goto(`${hub.url}/login`);
      await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
      await expectAccessible(page, 'login');
      await signIn(page, hub);
      await expect(page.getByRole('row', { name: /online.*%/ })).toBeVisible();
      await expectAccessible(page, 'live table');
      await page.getByRole('button', { name: 'Cards' }).click();
      await expectAccessible(page, 'live cards');
      await page.goto(`${hub.url}/server/${id}`);
      await expect(page.getByRole('heading', { name: 'Memory' })).toBeVisible();
      await expectAccessible(page, 'server');
      for (const path of ADMIN_PATHS) {
        await page.goto(`${hub.url}${path}`);
        await expect(page.getByRole('table')).toBeVisible();
        await expectAccessible(page, path);
        await page.getByRole('main').getByRole('button', { name: /^Add/ }).click();
        await expect(page.getByRole('dialog')).toBeVisible();
        await expectAccessible(page, `${path}, its dialog`);
      }
      for (const path of ALERT_PATHS) {
        await page.goto(`${hub.url}${path}`);
        await expect(page.getByRole('table').first()).toBeVisible();
        await expectAccessible(page, path);
        if (path === '/alerts') continue;
        await page.getByRole('main').getByRole('button', { name: /^Add/ }).click();
        await expect(page.getByRole('dialog')).toBeVisible();
        await expectAccessible(page, `${path}, its dialog`);
      }
      await page.goto(hub.url);
      await page.getByRole('button', { name: 'Account menu' }).click();
      await expectAccessible(page, 'account menu');
    });
  });
}

import { execFileSync } from 'node:child_process';

import type { Page } from '@playwright/test';

import { expect, type Hub, signIn, test } from './hub';

interface Answer {
  code: number;
  result?: unknown;
}

/** The list as a program asks for it, by the real curl. */
function listByCurl(hub: Hub, token: string): Answer {
  const output = execFileSync('curl', ['-s', '-H', `Authorization: ${token}`, `${hub.url}/api/v1/server/list?tag=`], {
    encoding: 'utf8',
  });
  return JSON.parse(output) as Answer;
}

async function openTokens(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'API Token' }).click();
  await expect(page).toHaveURL(/\/api$/);
}

test('a token is added, works with curl, is deleted, and works no more', async ({ page, hub }) => {
  await signIn(page, hub);
  await openTokens(page);
  await page.getByRole('button', { name: 'Add Token' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add API Token' });
  await dialog.getByLabel('Note').fill('for curl');
  await dialog.getByRole('button', { name: 'Add' }).click();

  const shown = page.getByRole('dialog', { name: 'New token' });
  await expect(shown.getByText('it cannot be shown again')).toBeVisible();
  const token = await shown.getByLabel('Token').inputValue();
  expect(token).toMatch(/^\S{32}$/);
  await shown.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByText(token)).toHaveCount(0);
  expect(listByCurl(hub, token).code).toBe(0);

  await page.getByRole('button', { name: 'Delete token for curl' }).click();
  const confirmation = page.getByRole('dialog', { name: 'Delete Token' });
  await expect(confirmation.getByText('Confirm Deleting This Token?')).toBeVisible();
  await confirmation.getByRole('button', { name: 'Cancel' }).click();
  expect(listByCurl(hub, token).code).toBe(0);
  await page.getByRole('button', { name: 'Delete token for curl' }).click();
  await confirmation.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByText('No tokens yet.')).toBeVisible();
  expect(listByCurl(hub, token).code).toBe(403);
});

test('signing in and making a token needs no mouse', async ({ page, hub }) => {
  await page.goto(`${hub.url}/login`);
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  const tabTo = async (name: string, key = 'Tab'): Promise<void> => {
    for (let presses = 0; presses < 40; presses += 1) {
      const focused = page.locator(':focus');
      if ((await focused.count()) > 0 && (await nameOf(page)) === name) return;
      await page.keyboard.press(key);
    }
    throw new Error(`the keyboard does not reach "${name}"`);
  };
  await tabTo('User');
  await page.keyboard.type('admin');
  await tabTo('Password');
  await page.keyboard.type(hub.password);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Account menu' })).toBeVisible();

  await tabTo('Account menu');
  await page.keyboard.press('Enter');
  await tabTo('API Token', 'ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'API Tokens' })).toBeVisible();
  await tabTo('Add Token');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  expect(await nameOf(page)).toBe('Add Token');
  await page.keyboard.press('Enter');
  await page.keyboard.type('by keyboard');
  await tabTo('Add');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'New token' })).toBeVisible();
  await tabTo('Done');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('cell', { name: 'by keyboard', exact: true })).toBeVisible();
});

/** What names the focused element. */
function nameOf(page: Page): Promise<string> {
  return page.evaluate(() => {
    const focused = document.activeElement;
    const label = focused instanceof HTMLInputElement ? focused.labels?.[0] : null;
    return focused?.getAttribute('aria-label') ?? (label ?? focused)?.textContent?.trim() ?? '';
  });
}

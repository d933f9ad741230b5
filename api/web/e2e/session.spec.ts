import type { Limits } from '../src/session';
import { Api, expect, signIn, test } from './hub';
import { ADMIN_PATHS } from './pages';

const COOKIE = 'nezha-dashboard';

test('a session that was signed out is refused', async ({ page, hub, context, playwright }) => {
  await signIn(page, hub);
  const cookie = (await context.cookies()).find(({ name }) => name === COOKIE);
  expect(cookie?.httpOnly).toBe(true);
  const old = await playwright.request.newContext({
    baseURL: hub.url,
    extraHTTPHeaders: { Cookie: `${COOKIE}=${cookie?.value}` },
  });
  expect((await old.get('/api/v1/token')).status()).toBe(200);

  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await expect(page.getByText('You are signed out.')).toBeVisible();

  const session = (await (await old.get('/api/v1/session')).json()) as { result: { user: string | null } };
  expect(session.result.user).toBeNull();
  expect((await old.get('/api/v1/token')).status()).toBe(401);
  await old.dispose();
});

test('a session that ended elsewhere leads to the sign-in page and back', async ({ page, hub, context }) => {
  await signIn(page, hub);
  await page.getByRole('link', { name: 'Servers' }).click();
  await expect(page.getByRole('heading', { name: 'Servers' })).toBeVisible();
  // A page that still loads would notice the end before the click.
  let goOn = (): void => undefined;
  const clicked = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  await page.route('**/api/v1/**', async (route) => {
    await clicked;
    await route.continue();
  });
  await context.clearCookies();
  await page.getByRole('link', { name: 'Users' }).click();
  goOn();
  await expect(page.getByText('Your session has ended. Please sign in again.')).toBeVisible();
  await page.getByLabel('User').fill('admin');
  await page.getByLabel('Password').fill(hub.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { name: 'Users' })).toBeVisible();
});

test('a wrong password is refused, and many of them lock out', async ({ page, hub }) => {
  await page.goto(`${hub.url}/login`);
  await page.getByLabel('User').fill('admin');
  await page.getByLabel('Password').fill('not the password');
  const alert = page.getByRole('alert');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(alert).toHaveText('The user name or password is wrong.');

  let status = 401;
  while (status === 401) {
    const answered = page.waitForResponse(
      (answer) => answer.request().method() === 'POST' && answer.url().endsWith('/api/v1/session'),
    );
    await page.getByRole('button', { name: 'Sign in' }).click();
    status = (await answered).status();
  }
  expect(status).toBe(429);
  await expect(alert).toHaveText(/Too many attempts\. Try again in \d+ seconds\./);
});

test('one changes the own password, within the bounds of the hub', async ({ page, hub, api }) => {
  const { limits } = await api.call<{ limits: Limits }>('GET', '/session');
  await signIn(page, hub);
  await page.getByRole('button', { name: 'Account menu' }).click();
  await page.getByRole('menuitem', { name: 'Change password' }).click();
  const dialog = page.getByRole('dialog', { name: 'Change password' });
  const fill = async (old: string, next: string): Promise<void> => {
    await dialog.getByLabel('Old password').fill(old);
    await dialog.getByLabel('New password', { exact: true }).fill(next);
    await dialog.getByLabel('Repeat new password').fill(next);
    await dialog.getByRole('button', { name: 'Save' }).click();
  };
  const next = dialog.getByLabel('New password', { exact: true });
  await expect(next).toHaveAttribute('minlength', String(limits.password_chars_min));
  await expect(next).toHaveAttribute('maxlength', String(limits.password_chars_max));
  await expect(next).toHaveAccessibleDescription(
    `${limits.password_chars_min} to ${limits.password_chars_max} characters`,
  );
  await fill('not the password', 'a much better one');
  await expect(dialog.getByRole('alert')).toHaveText('The old password is wrong.');
  await fill(hub.password, 'a much better one');
  await expect(dialog).toBeHidden();
  await page.reload();
  await expect(page.getByRole('button', { name: 'Account menu' })).toBeVisible();
  const again = await Api.signedIn(hub, 'admin', 'a much better one');
  await again.dispose();
});

test('a viewer sees no administration', async ({ page, hub, api }) => {
  await api.call('POST', '/user', { name: 'bob', password: 'bobs long password', role: 'viewer' });
  await signIn(page, hub, 'bob', 'bobs long password');
  const links = page.getByRole('navigation').getByRole('link');
  await expect(links).toHaveText(['Live', 'Alerts']);
  await page.getByRole('button', { name: 'Account menu' }).click();
  await expect(page.getByRole('menuitem')).toHaveText(['Back to Homepage', 'Change password', 'Sign out']);
  for (const path of ADMIN_PATHS) {
    await page.goto(`${hub.url}${path}`);
    await expect(page.getByRole('heading', { name: 'Only administrators can see this page.' })).toBeVisible();
  }
});

test('a guest sees no hidden server', async ({ page, hub, api }) => {
  const shown = await api.addServer({ name: 'shown' });
  const hidden = await api.addServer({ name: 'secret', hide_for_guest: true });
  await page.goto(hub.url);
  await expect(page.getByRole('link', { name: 'shown' })).toBeVisible();
  await expect(page.getByText('secret')).toHaveCount(0);
  await expect(page.getByText('1 server')).toBeVisible();
  await page.goto(`${hub.url}/server/${hidden.id}`);
  await expect(page.getByText('This server does not exist, or it is hidden.')).toBeVisible();
  await page.goto(`${hub.url}/server/${shown.id}`);
  await expect(page.getByRole('heading', { name: 'shown' })).toBeVisible();
  await page.goto(`${hub.url}/manage`);
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

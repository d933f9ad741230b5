import { expect, signIn, test } from './hub';
import { inLanguage } from './language';

interface Silence {
  comment: string;
  rules: number[];
  tags: string[];
  ids: number[];
  from: number | null;
  to: number | null;
  weekly: { days: string[]; start: string; end: string; zone: string } | null;
}

test('a silence is added, changed to every week, and removed', async ({ page, hub, api }) => {
  const { id } = await api.addServer({ name: 'database', tag: 'db' });
  const [rule] = await api.call<{ id: number; name: string }[]>('GET', '/alert/rule');
  await signIn(page, hub);
  await page.goto(`${hub.url}/silences`);
  await expect(page.getByText('No silences yet.')).toBeVisible();
  await page.getByRole('button', { name: 'Add silence' }).click();
  const adding = page.getByRole('dialog', { name: 'Add silence' });
  await adding.getByLabel('Comment').fill('new disks');
  await adding.getByLabel('Tags').fill('db, web');
  await adding.getByRole('checkbox', { name: rule?.name ?? '' }).check();
  await adding.getByRole('checkbox', { name: 'database (db)' }).check();
  await adding.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('row', { name: /new disks.*active/ })).toBeVisible();
  const listed = (): Promise<Silence[]> => api.call<Silence[]>('GET', '/alert/silence');
  const [added] = await listed();
  expect(added).toMatchObject({
    comment: 'new disks',
    rules: [rule?.id],
    tags: ['db', 'web'],
    ids: [id],
    weekly: null,
  });
  expect((added?.to ?? 0) - (added?.from ?? 0)).toBe(2 * 3600);

  await page.getByRole('button', { name: 'Edit silence new disks' }).click();
  const editing = page.getByRole('dialog', { name: 'Edit silence' });
  await editing.getByRole('radio', { name: 'Every week' }).check();
  await editing.getByLabel('Begins at').fill('22:00');
  await editing.getByLabel('Ends at').fill('07:30');
  await editing.getByLabel('Time zone').selectOption('Europe/Berlin');
  await editing.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Sat, Sun 22:00 – 07:30 (Europe/Berlin)')).toBeVisible();
  const [changed] = await listed();
  const weekly = { days: ['sat', 'sun'], start: '22:00', end: '07:30', zone: 'Europe/Berlin' };
  expect(changed).toMatchObject({ ...added, from: null, to: null, weekly, active: expect.any(Boolean) });

  await page.getByRole('button', { name: 'Remove silence new disks' }).click();
  await page.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByText('No silences yet.')).toBeVisible();
  expect(await listed()).toEqual([]);
});

test('what the hub refuses is said at its field', async ({ page, hub }) => {
  await signIn(page, hub);
  await page.goto(`${hub.url}/silences`);
  await page.getByRole('button', { name: 'Add silence' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('To', { exact: true }).fill('2020-01-01T00:00');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  const to = dialog.getByLabel('To', { exact: true });
  await expect(to).toHaveAttribute('aria-invalid', 'true');
  await expect(to).toHaveAccessibleDescription(/not in the future/);
  await expect(to).toBeFocused();
  await expect(dialog.getByRole('alert')).toHaveCount(1);
});

test('a viewer looks at silences and changes none', async ({ page, hub, api }) => {
  await api.call('POST', '/user', { name: 'bob', password: 'bobs long password', role: 'viewer' });
  const to = Math.floor(Date.now() / 1000) + 3600;
  await api.call('POST', '/alert/silence', { comment: 'seen by all', to });
  await signIn(page, hub, 'bob', 'bobs long password');
  await page.goto(`${hub.url}/silences`);
  await expect(page.getByRole('cell', { name: 'seen by all' })).toBeVisible();
  await expect(page.getByRole('main').getByRole('button')).toHaveCount(0);
});

test('silences are written in Chinese too', async ({ page, hub }) => {
  await signIn(page, hub);
  await inLanguage(page, 'zh');
  await page.goto(`${hub.url}/silences`);
  await expect(page.getByRole('heading', { name: '静默' })).toBeVisible();
  await page.getByRole('button', { name: '添加静默' }).click();
  await expect(page.getByRole('dialog').getByLabel('说明')).toBeVisible();
});

import { expect, signIn, test } from './hub';

const HOSTILE = `<img src=x onerror=alert(1)>"'`;

test('the shown command makes a new server online', async ({ page, hub }) => {
  await signIn(page, hub);
  await page.getByRole('link', { name: 'Servers' }).click();
  await page.getByRole('button', { name: 'Add server' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add server' });
  await dialog.getByLabel('Name').fill('first one');
  await dialog.getByLabel('Tag').fill('web');
  await dialog.getByRole('button', { name: 'Add' }).click();
  const shown = page.getByRole('dialog', { name: 'Start the agent' });
  const command = await shown.getByLabel('Command').inputValue();
  await shown.getByRole('button', { name: 'Done' }).click();

  await page.getByRole('link', { name: 'Live' }).click();
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'first one' }) });
  await expect(row.getByText('never reported')).toBeVisible();
  hub.runCommand(command);
  await expect(row.getByRole('img', { name: 'Online' })).toBeVisible();
  await expect(row.getByRole('cell').nth(5)).toContainText('%');

  // A line has two points: the row is drawn anew as reports come.
  await expect(row.locator('.sparkline path')).toHaveAttribute('d', /M.*L/);

  await row.getByRole('link').click();
  await expect(page.getByRole('heading', { name: 'first one' })).toBeVisible();
  await expect(page.getByRole('img', { name: /^CPU, last 1 hour\. CPU: latest \d+%/ })).toBeVisible();
  await expect(page.locator('.now .sparkline path')).toHaveAttribute('d', /M.*L/);
});

test('an enrolment token makes a server', async ({ page, hub }) => {
  await signIn(page, hub);
  await page.getByRole('link', { name: 'Enrolment' }).click();
  await page.getByRole('button', { name: 'Add enrolment token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Tag of the new servers').fill('rack');
  await dialog.getByLabel('Uses').fill('1');
  await dialog.getByRole('button', { name: 'Add' }).click();
  const command = await page.getByRole('dialog').getByLabel('Command').inputValue();
  await page.getByRole('button', { name: 'Done' }).click();
  hub.runCommand(`WINDFIRE_NAME=enrolled ${command}`);
  await page.getByRole('link', { name: 'Live' }).click();
  await expect(page.getByRole('row', { name: /enrolled.*rack/ })).toBeVisible();
});

test('hostile strings are text everywhere', async ({ page, hub, api }) => {
  await signIn(page, hub);
  await page.getByRole('link', { name: 'Servers' }).click();
  await page.getByRole('button', { name: 'Add server' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add server' });
  await dialog.getByLabel('Name').fill(HOSTILE);
  await dialog.getByLabel('Tag').fill(HOSTILE);
  await dialog.getByLabel('Note').fill('x'.repeat(10_000));
  await dialog.getByRole('button', { name: 'Add' }).click();
  await expect(dialog.getByRole('alert')).toContainText('note');
  await dialog.getByLabel('Note').fill(HOSTILE);
  await dialog.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('dialog', { name: 'Start the agent' }).getByRole('button', { name: 'Done' }).click();
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: HOSTILE }) });
  await expect(row.getByText(HOSTILE, { exact: true })).toHaveCount(3);
  await page.getByRole('button', { name: `Remove ${HOSTILE}` }).click();
  await expect(page.getByRole('dialog')).toContainText(HOSTILE);
  await page.keyboard.press('Escape');

  const [server] = await api.call<{ id: number }[]>('GET', '/manage/server');
  await page.goto(hub.url);
  await expect(page.getByRole('link', { name: HOSTILE })).toBeVisible();
  await page.getByRole('button', { name: 'Cards' }).click();
  await expect(page.getByRole('link', { name: HOSTILE })).toBeVisible();
  await page.goto(`${hub.url}/server/${server?.id}`);
  await expect(page.getByRole('heading', { name: HOSTILE })).toBeVisible();

  await page.goto(`${hub.url}/api`);
  await page.getByRole('button', { name: 'Add Token' }).click();
  const token = page.getByRole('dialog', { name: 'Add API Token' });
  await token.getByLabel('Note').fill('x'.repeat(10_000));
  await token.getByRole('button', { name: 'Add' }).click();
  await expect(token.getByRole('alert')).toContainText('note');
  await token.getByLabel('Note').fill(HOSTILE);
  await token.getByRole('button', { name: 'Add' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByRole('cell', { name: HOSTILE, exact: true })).toBeVisible();
  await expect(page.locator('img')).toHaveCount(0);
});

test('who saves a server later is told that somebody else changed it', async ({ page, hub, api, browser }) => {
  await api.addServer({ name: 'shared' });
  await signIn(page, hub);
  await page.goto(`${hub.url}/manage`);
  const other = await browser.newPage();
  await signIn(other, hub);
  await other.goto(`${hub.url}/manage`);
  for (const each of [page, other]) await each.getByRole('button', { name: 'Edit shared' }).click();

  await page.getByLabel('Tag').fill('first');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('dialog')).toBeHidden();
  const dialog = other.getByRole('dialog', { name: 'Edit server' });
  await dialog.getByLabel('Tag').fill('second');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByRole('alert')).toContainText('Another user changed this server in the meantime.');
  await dialog.getByRole('button', { name: 'Reload' }).click();
  await expect(dialog.getByLabel('Tag')).toHaveValue('first');
  await dialog.getByLabel('Tag').fill('second');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(other.getByRole('cell', { name: 'second' })).toBeVisible();
  await other.close();
});

test('many servers are retagged and removed at once', async ({ page, hub, api }) => {
  for (const name of ['a', 'b', 'c']) await api.addServer({ name });
  await signIn(page, hub);
  await page.goto(`${hub.url}/manage`);
  for (const name of ['a', 'b']) await page.getByRole('checkbox', { name: `Select ${name}`, exact: true }).check();
  await page.getByRole('button', { name: 'Set tag' }).click();
  await page.getByRole('dialog').getByLabel('Tag').fill('pair');
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('cell', { name: 'pair' })).toHaveCount(2);
  await page.getByRole('button', { name: 'Remove', exact: true }).first().click();
  await page.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByText('2 servers removed.')).toBeVisible();
  await expect(page.getByRole('row')).toHaveCount(2);
});

test('a lost hub is told, and the page recovers by itself', async ({ page, hub, api }) => {
  const { command } = await api.addServer({ name: 'steady' });
  hub.runCommand(command);
  await page.goto(hub.url);
  const online = page.getByRole('row', { name: /steady/ }).getByRole('img', { name: 'Online' });
  await expect(online).toBeVisible();
  const lost = page.getByText('Connection to the hub lost, trying again…');
  await hub.stop();
  await expect(lost).toBeVisible();
  await expect(page.getByRole('link', { name: 'steady' })).toBeVisible();
  await hub.start();
  await expect(lost).toBeHidden();
  await expect(online).toBeVisible();
});

test('the command says when its address leads nowhere else, and takes another', async ({ page, hub, api }) => {
  const { id } = await api.addServer({ name: 'far' });
  await signIn(page, hub);
  await page.getByRole('link', { name: 'Servers' }).click();
  const shown = page.getByRole('dialog', { name: 'New credential' });
  const dialog = page.getByRole('dialog', { name: 'Start the agent' });
  const open = async (): Promise<void> => {
    await page.getByRole('button', { name: 'New credential for far' }).click();
    await shown.getByRole('button', { name: 'Confirm' }).click();
  };
  await open();
  const address = dialog.getByLabel('Address of the hub');
  const command = dialog.getByLabel('Command');
  const warning = dialog.getByText('reaches the hub only from the machine that the hub runs on');
  await expect(address).toHaveValue(/^127\.0\.0\.1:\d+$/);
  await expect(warning).toBeVisible();
  const port = /:(\d+)$/.exec(await address.inputValue())?.[1];
  await address.fill('https://hub.example/');
  await expect(warning).toHaveCount(0);
  await expect(command).toHaveValue(new RegExp(`--hub hub\\.example:${port} --fingerprint`));
  await address.fill('0.0.0.0');
  await expect(dialog.getByText('This is not the address of a machine.')).toBeVisible();
  await address.fill('$(reboot)');
  await expect(command).toHaveValue(/--hub '\$\(reboot\):\d+' /);
  await address.fill('10.0.0.7');
  await dialog.getByRole('button', { name: 'Done' }).click();
  expect(id).toBeGreaterThan(0);

  await open();
  await expect(address, 'the next command knows').toHaveValue('10.0.0.7');
  await expect(command).toHaveValue(new RegExp(`--hub 10\\.0\\.0\\.7:${port} `));
});

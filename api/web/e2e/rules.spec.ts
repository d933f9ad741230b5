import { expect, signIn, test } from './hub';
import { inLanguage } from './language';

interface Rule {
  id: number;
  name: string;
  built_in: boolean;
  [field: string]: unknown;
}

test('a rule with two conditions is added, changed and removed', async ({ page, hub, api }) => {
  const { id } = await api.addServer({ name: 'database', tag: 'db' });
  const telegram = { name: 'on call', kind: 'telegram', settings: { token: '123456:secret', chat_id: '1' } };
  const channel = await api.call<{ id: number }>('POST', '/alert/channel', telegram);
  const mine = async (): Promise<Rule | undefined> =>
    (await api.call<Rule[]>('GET', '/alert/rule')).find(({ name }) => name === 'busy database');
  await signIn(page, hub);
  await page.goto(`${hub.url}/rules`);
  await page.getByRole('button', { name: 'Add rule' }).click();
  const adding = page.getByRole('dialog', { name: 'Add rule' });
  await adding.getByLabel('Name', { exact: true }).fill('busy database');
  await adding.getByLabel('Severity').selectOption('Critical');
  const [first, second] = [1, 2].map((number) => adding.getByRole('group', { name: `Condition ${number}` }));
  await first?.getByLabel('Value', { exact: true }).fill('90');
  await first?.getByLabel('End value').fill('80');
  await adding.getByRole('button', { name: 'Add condition' }).click();
  await second?.getByLabel('Metric').selectOption('Memory in use');
  await second?.getByLabel('Comparison').selectOption('below');
  await second?.getByLabel('Value', { exact: true }).fill('1.5');
  await expect(second?.getByLabel('Unit of Value') ?? adding).toHaveValue(String(1024 ** 3));
  await adding.getByLabel('Hold for', { exact: true }).fill('2');
  await adding.getByRole('radio', { name: 'Single servers' }).check();
  await adding.getByRole('checkbox', { name: 'database (db)' }).check();
  await adding.getByRole('checkbox', { name: 'on call' }).check();
  await adding.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('row', { name: /busy database.*Critical.*1 server.*on call/ })).toBeVisible();
  expect(await mine()).toMatchObject({
    severity: 'critical',
    when: [
      { metric: 'cpu', op: '>', value: 90, clear: 80 },
      { metric: 'mem_used', op: '<', value: 1.5 * 1024 ** 3, clear: null },
    ],
    for_s: 120,
    scope: { ids: [id] },
    channels: [channel.id],
  });

  await page.getByRole('button', { name: 'Edit rule busy database' }).click();
  const editing = page.getByRole('dialog', { name: 'Edit rule' });
  await editing.getByRole('button', { name: 'Remove condition 2' }).click();
  await editing.getByRole('radio', { name: 'By tag' }).check();
  await editing.getByLabel('Tags').fill('db, web');
  const sent = page.waitForRequest((request) => request.method() === 'PATCH');
  await editing.getByRole('button', { name: 'Save' }).click();
  expect((await sent).postDataJSON()).toEqual({
    when: [{ metric: 'cpu', op: '>', value: 90, clear: 80 }],
    scope: { tags: ['db', 'web'] },
  });
  await expect(page.getByRole('row', { name: /busy database.*db, web/ })).toBeVisible();

  await page.getByRole('button', { name: 'Remove rule busy database' }).click();
  await page.getByRole('button', { name: 'Confirm' }).click();
  await expect(page.getByRole('cell', { name: 'busy database' })).toHaveCount(0);
  expect(await mine()).toBeUndefined();
});

test('what the hub refuses is said at the field of its condition', async ({ page, hub }) => {
  await signIn(page, hub);
  await page.goto(`${hub.url}/rules`);
  await page.getByRole('button', { name: 'Add rule' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('wrong');
  await dialog.getByLabel('Value', { exact: true }).fill('80');
  await dialog.getByLabel('End value').fill('95');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(dialog.getByLabel('End value')).toBeFocused();
  await expect(dialog.getByLabel('End value')).toHaveAccessibleDescription(/95 is bad itself/);
  await expect(dialog.getByRole('alert')).toHaveCount(1);
  await dialog.getByLabel('End value').fill('');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('cell', { name: 'wrong', exact: true })).toBeVisible();
});

test('of a rule of the hub only what may be changed is offered', async ({ page, hub, api }) => {
  await signIn(page, hub);
  await page.goto(`${hub.url}/rules`);
  await expect(page.getByRole('button', { name: 'Remove rule Hub isolated' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Edit rule Hub isolated' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByText('This rule is the hub’s own.')).toBeVisible();
  await expect(dialog.getByLabel('Severity')).toHaveCount(0);
  await dialog.getByRole('checkbox', { name: 'Enabled' }).uncheck();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('row', { name: /Hub isolated.*off/ })).toBeVisible();
  const rules = await api.call<Rule[]>('GET', '/alert/rule');
  expect(rules.find(({ name }) => name === 'Hub isolated')).toMatchObject({ enabled: false, built_in: true });
});

test('a preview says what a rule would have done', async ({ page, hub, api }) => {
  await api.addServer({ name: 'database', tag: 'db' });
  await signIn(page, hub);
  await page.goto(`${hub.url}/rules`);
  await page.getByRole('button', { name: 'Add rule' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('tried');
  await dialog.getByLabel('Value', { exact: true }).fill('99');
  await dialog.getByRole('button', { name: 'Preview' }).click();
  await expect(dialog.getByText('In the last 24 hours this rule would not have fired.')).toBeVisible();
});

test('rules are written in Chinese too', async ({ page, hub }) => {
  await signIn(page, hub);
  await inLanguage(page, 'zh');
  await page.goto(`${hub.url}/rules`);
  await expect(page.getByRole('heading', { name: '告警规则' })).toBeVisible();
  await page.getByRole('button', { name: '添加告警规则' }).click();
  await page.getByRole('dialog').getByLabel('指标').selectOption('磁盘使用率');
  await expect(page.getByRole('dialog').getByLabel('恢复阈值')).toBeVisible();
});

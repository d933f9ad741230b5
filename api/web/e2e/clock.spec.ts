import { expect, test } from './hub';

test.describe('in Adelaide', () => {
  test.use({ timezoneId: 'Australia/Adelaide', locale: 'en-US' });

  test('charts say their zone, and the moment under the pointer by 24 hours', async ({ page, hub, api }) => {
    const { id, command } = await api.addServer({ name: 'steady' });
    hub.runCommand(command);
    await page.goto(`${hub.url}/server/${id}`);
    await expect(page.getByText('Times are in Australia/Adelaide, UTC+10:30.')).toBeVisible();
    const plot = page.locator('.plot').first();
    await expect(page.getByRole('img', { name: /^CPU, last 1 hour\. CPU: latest/ })).toBeVisible();
    await plot.scrollIntoViewIfNeeded();
    const box = await plot.boundingBox();
    if (!box) throw new Error('there is no chart');
    await page.mouse.move(box.x + box.width / 2, box.y + 60);
    await expect(page.locator('.chart time').first()).toHaveText(/^\w{3} \d+, \d{4}, \d\d:\d\d:\d\d$/);
    await page.getByRole('button', { name: '24 hours' }).click();
    await expect(page.getByRole('img', { name: /^CPU, last 24 hours/ })).toBeVisible();
    await page.getByLabel('Language').selectOption('zh');
    await expect(page.getByText('时间所在时区：Australia/Adelaide, UTC+10:30。')).toBeVisible();
  });
});

import type { Page } from '@playwright/test';

import { makeAlerts } from './alerts';
import { expect, signIn, test } from './hub';
import { inLanguage } from './language';
import { ADMIN_PATHS, ALERT_PATHS } from './pages';

/** Texts that are cut off, or run out of the page, and have no title that says them whole. */
function cutTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const clips = (element: Element): DOMRect | 'scrolls' | null => {
      const style = getComputedStyle(element);
      if (/auto|scroll/.test(style.overflowX)) return 'scrolls';
      const isClip = /hidden|clip/.test(style.overflowX) || /strict|paint|content/.test(style.contain);
      return isClip ? element.getBoundingClientRect() : null;
    };
    const isCut = (text: Text): boolean => {
      const range = document.createRange();
      range.selectNodeContents(text);
      const rect = range.getBoundingClientRect();
      if (rect.width === 0) return false;
      for (let element = text.parentElement; element; element = element.parentElement) {
        if (element.matches('.off-screen, .skip, select, textarea, svg')) return false;
        const clip = clips(element);
        if (clip === 'scrolls') return false;
        if (clip && (rect.right > clip.right + 1 || rect.left < clip.left - 1 || rect.bottom > clip.bottom + 2))
          return true;
      }
      return rect.right > document.documentElement.clientWidth + 1;
    };
    const found: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node as Text;
      const said = text.data.trim();
      const title = text.parentElement?.closest('[title]')?.getAttribute('title') ?? '';
      if (said !== '' && isCut(text) && !title.includes(said)) found.push(`${text.parentElement?.className}: ${said}`);
    }
    if (document.documentElement.scrollWidth > document.documentElement.clientWidth + 1)
      found.push('the page scrolls sideways');
    return found;
  });
}

const LONG =
  'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft-01.rack-17.example.internal';
const CHINESE = '华东二区生产环境数据库主节点备份服务器一号机房三号机柜第十七台用于夜间批处理任务的专用物理服务器';

test.use({ hubOptions: ['--alert-interval-s', '1'] });

for (const width of [320, 390, 768, 1280]) {
  for (const language of ['en', 'zh'] as const) {
    test(`nothing is cut without a way to read it, ${width} px, ${language}`, async ({ page, hub, api }) => {
      await page.setViewportSize({ width, height: 800 });
      const { id, command } = await api.addServer({
        name: LONG,
        tag: `${CHINESE}${LONG}`.slice(0, 60),
        note: `${LONG}\n`.repeat(7),
      });
      await api.addServer({ name: CHINESE, tag: CHINESE.slice(0, 30), country: 'de' });
      await api.addServer({ name: '\u200b', hide_for_guest: true });
      await api.call('POST', '/token', {
        note: `${LONG}\n`.repeat(6),
        scopes: ['read'],
        tags: [CHINESE.slice(0, 20), LONG.slice(0, 60)],
        expires: null,
      });
      await api.call('POST', '/enrol-token', { note: LONG, tag: LONG.slice(0, 60), uses: 3, expires: null });
      // Early, so that it fires by the time that its page is looked at.
      await makeAlerts(api, { name: LONG, tag: LONG.slice(0, 60) });
      hub.runCommand(command);
      await signIn(page, hub);
      await inLanguage(page, language);
      for (const view of ['table', 'cards']) {
        await page.evaluate((chosen) => localStorage.setItem('windfire.view', chosen), view);
        await page.goto(hub.url);
        await expect(page.locator('.dot.online')).toBeVisible();
        await expect(page.locator('.bar').first()).toBeVisible();
        expect.soft(await cutTexts(page), view).toEqual([]);
        await expect(page.getByRole('link', { name: /^#\d+$/ })).toBeVisible();
      }
      await page.goto(`${hub.url}/server/${id}`);
      await expect(page.locator('.chart').first()).toBeVisible();
      expect.soft(await cutTexts(page), 'server').toEqual([]);
      for (const path of ALERT_PATHS) {
        await page.goto(`${hub.url}${path}`);
        await expect(page.getByRole('table').first()).toBeVisible();
        expect.soft(await cutTexts(page), path).toEqual([]);
        if (path === '/alerts') continue;
        await page.locator('.page-head .button').click();
        await expect(page.getByRole('dialog')).toBeVisible();
        expect.soft(await cutTexts(page), `${path}, its dialog`).toEqual([]);
      }
      for (const path of ADMIN_PATHS) {
        await page.goto(`${hub.url}${path}`);
        await expect(page.getByRole('table')).toBeVisible();
        expect.soft(await cutTexts(page), path).toEqual([]);
        await page.locator('.page-head .button').click();
        await expect(page.getByRole('dialog')).toBeVisible();
        expect.soft(await cutTexts(page), `${path}, its dialog`).toEqual([]);
      }
    });
  }
}

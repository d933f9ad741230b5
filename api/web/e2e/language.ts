import type { Page } from '@playwright/test';

/** Chooses the language as the switch does; the next page has it. */
export async function inLanguage(page: Page, language: 'en' | 'zh'): Promise<void> {
  await page.evaluate((chosen) => localStorage.setItem('windfire.language', chosen), language);
}

import { existsSync } from 'node:fs';

import { defineConfig } from '@playwright/test';

const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  // A busy machine may need a part of these. They only end a test that would hang.
  timeout: 480_000,
  expect: { timeout: 90_000 },
  // Each test has a hub of its own; more at once would only wait for each other.
  workers: 1,
  reporter: process.env.CI ? [['list'], ['html', { open: 'never' }]] : 'list',
  use: {
    browserName: 'chromium',
    locale: 'en-US',
    viewport: { width: 1280, height: 800 },
    trace: 'retain-on-failure',
    launchOptions: existsSync(chromium) ? { executablePath: chromium, args } : { args },
  },
});

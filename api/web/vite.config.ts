import { defineConfig } from 'vitest/config';

const hub = process.env.WINDFIRE_HUB ?? 'http://127.0.0.1:8008';

export default defineConfig({
  // A proxy may serve the panel under a path that nobody told us.
  base: './',
  build: {
    target: 'es2022',
    outDir: 'dist',
    // Every asset is a file of its own: the hub's CSP admits no inlined script or style.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api/v1': hub } },
  test: { include: ['src/**/*.test.ts'] },
});

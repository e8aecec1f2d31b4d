import { defineConfig } from 'vitest/config'

/**
 * `unit` needs nothing but Node. `engine` needs the engine and the base image
 * that `make engine` provides; its files run one after another because two
 * cores and one engine make parallel builds slower, not faster. `browser` needs
 * Debian's Chromium, which `scripts/test-tools.sh` brings.
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/engine/**', 'test/browser/**'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'engine',
          include: ['test/engine/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          globalSetup: ['test/engine/setup.ts'],
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          globalSetup: ['test/browser/setup.ts'],
        },
      },
    ],
  },
})

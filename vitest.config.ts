import { defineConfig } from 'vitest/config'

/** How long one unit test may take, in milliseconds: a property in its long form takes many minutes. */
const UNIT_MS = process.env['TRACELESS_SOAK'] === '1' ? 3_600_000 : 60_000

/** Unit tests that stand in for a module. */
const ALONE = ['test/store/token-compare.test.ts']

/**
 * `unit` and `unit-alone` need nothing but Node. `engine` needs the engine and
 * the base images that `make engine` provides; its files run one after another,
 * because many look at what a build left on the engine. `servers` are tests that
 * start what they work on (an engine, PostgreSQL, Git and package servers, the
 * program itself) and look at nothing else, so that they can run beside those.
 * `browser` needs Debian's Chromium, which `scripts/test-tools.sh` brings.
 */
export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/engine/**', 'test/servers/**', 'test/browser/**', ...ALONE],
          testTimeout: UNIT_MS,
          // What is loaded and made quick for one file is there for the next: a third of the time.
          isolate: false,
        },
      },
      { test: { name: 'unit-alone', include: ALONE, testTimeout: UNIT_MS } },
      {
        test: {
          name: 'engine',
          include: ['test/engine/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          isolate: false,
          globalSetup: ['test/engine/setup.ts'],
        },
      },
      {
        test: {
          name: 'servers',
          include: ['test/servers/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
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

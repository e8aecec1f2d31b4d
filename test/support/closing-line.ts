/**
 * The last line of a test run, for machines that count tests: `12 passed, 0 failed`.
 *
 * @packageDocumentation
 */

import type { Reporter, TestModule } from 'vitest/node'

/** Prints the line after everything the other reporters print, a run without a single test being a failed one. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0
    let skipped = 0
    // A file that could not be loaded has no tests, and an error outside of tests belongs to none: each counts once.
    let failed = errors.length
    for (const module of modules) {
      failed += module.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        else if (state === 'failed') failed += 1
        else skipped += 1
      }
    }
    process.once('exit', () => {
      const rest = skipped === 0 ? '' : `, ${String(skipped)} skipped`
      process.stdout.write(`${String(passed)} passed, ${String(failed)} failed${rest}\n`)
    })
  }
}

/** Builds the search module. The compiler is told everything, so that its output depends on the source alone. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
// Run and not imported: the compiler's types change those of JavaScript's own arrays.
const COMPILER = join(ROOT, 'node_modules/assemblyscript/bin/asc.js')
const ENTRY = 'src/leak/kernel/assembly/index.ts'
const OPTIONS = [
  '-O3',
  '--noAssert',
  '--runtime',
  'stub',
  '--enable',
  'simd',
  '--importMemory',
  '--initialMemory',
  '1',
]

/** The module's bytes. Throws what the compiler says where the source has a mistake. */
export function buildKernel(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'kernel-'))
  try {
    const target = join(folder, 'kernel.wasm')
    execFileSync(process.execPath, [COMPILER, ENTRY, '--baseDir', ROOT, '--outFile', target, ...OPTIONS], {
      cwd: ROOT,
    })
    return readFileSync(target)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The TypeScript file that holds a module. */
export function moduleSource(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('base64')
  return `/**
 * The search module, built from assembly/ by \`npm run kernel\`. Not to be edited.
 *
 * @packageDocumentation
 */

/** WebAssembly, in base64. */
export const KERNEL =
  '${text}'
`
}

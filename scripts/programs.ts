/**
 * `npm run programs`: writes the Python programs that builds run into
 * the module that the program takes them from. A test compares the two.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** Where the programs are, and the module. */
export const FOLDER = resolve(import.meta.dirname, '../src/builder/programs')

/** The module's text. */
export function scriptsModule(): string {
  const files = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.py'))
    .sort()
    .map((name) => `  [${quoted(name)}, ${quoted(readFileSync(resolve(FOLDER, name), 'utf8'))}],\n`)
  return [
    '/** Made by `npm run programs` of the Python files beside it. */',
    'export const SCRIPTS: ReadonlyMap<string, string> = new Map([',
    `${files.join('')}])\n`,
  ].join('\n')
}

const quoted = (text: string): string => JSON.stringify(text)

if (import.meta.url === `file://${process.argv[1] ?? ''}`)
  writeFileSync(`${FOLDER}/scripts.ts`, scriptsModule())

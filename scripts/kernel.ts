/**
 * `npm run kernel`: builds the search module from its AssemblyScript source and
 * writes it where the program takes it from. A test compares the two.
 */

import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { buildKernel, moduleSource } from './kernel/build.js'

const target = resolve(import.meta.dirname, '../src/leak/kernel/module.ts')
const bytes = buildKernel()
writeFileSync(target, moduleSource(bytes))
console.log(`${target}: ${bytes.length} bytes`)

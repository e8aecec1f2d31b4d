#!/usr/bin/env node
/**
 * The program `traceless`.
 *
 * @packageDocumentation
 */

import { createProgram } from './program.js'
import { startProcess } from './start-process.js'

await startProcess(process.argv.slice(2), createProgram)

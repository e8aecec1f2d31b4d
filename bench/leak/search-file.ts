/**
 * The kernel as a whole process: `node search-file.js PATTERNS FILE` prints how
 * often the patterns, one a line, stand in the file.
 *
 * @packageDocumentation
 */

import { openSync, readFileSync, readSync } from 'node:fs'
import { Matcher } from '../../src/leak/match.js'
import { needleSet } from './needle-sets.js'

const [patterns = '', path = ''] = process.argv.slice(2)
const lines = readFileSync(patterns, 'latin1').split('\n').slice(0, -1)
const matcher = new Matcher(
  needleSet({ name: '', patterns: lines.map((line) => Buffer.from(line, 'latin1')) }),
)
const file = openSync(path, 'r')
let count = 0
for (let size = 1; size > 0;) {
  size = readSync(file, matcher.room, 0, matcher.room.length, null)
  count += matcher.push(matcher.room.subarray(0, size)).length
}
console.log(count + matcher.end().length)

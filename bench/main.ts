/**
 * `npm run bench -- NAME [--json]`: measures one thing beside what it is compared
 * with, in one run, and says whether its bars hold. Exit status 1 when one does not.
 *
 * @packageDocumentation
 */

import type { Bench } from './bench.js'

const BENCHES: Readonly<Record<string, () => Promise<{ run: () => Promise<Bench> }>>> = {
  build: () => import('./build.js'),
  redact: () => import('./redact.js'),
  server: () => import('./server.js'),
  store: () => import('./store.js'),
  leak: () => import('./leak.js'),
}

const [name = '', ...flags] = process.argv.slice(2)
const load = BENCHES[name]
if (load === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--json]`)
  process.exit(2)
}
const { rows, bars } = await (await load()).run()
if (flags.includes('--json')) console.log(JSON.stringify({ rows, bars }, null, 2))
else {
  console.table(rows)
  console.table(bars)
}
process.exitCode = bars.every(({ holds }) => holds) ? 0 : 1

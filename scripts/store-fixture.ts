/**
 * Makes `fixtures/store/format-N`, a home with a store of the current format
 * and what is in it. Run it once when a format is new, and never again: the
 * fixture shows that what was written then is read for ever.
 */

import { readdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { secretName, SecretValue } from '../src/secret.js'
import { STEPS } from '../src/store/migrations.js'
import { openStore } from '../src/store/open.js'

const CONTENT = {
  main: { TOKEN: 'fixture-token', PEM: '-----BEGIN-----\nabc\n-----END-----\n', EMPTY: '' },
  staging: { TOKEN: 'fixture-staging' },
  group: { USER: 'fixture-user' },
  staged: { TOKEN: 'fixture-staged' },
}

const folder = resolve(import.meta.dirname, `../fixtures/store/format-${STEPS.length}`)
const changes = (
  values: Readonly<Record<string, string>>,
): { name: ReturnType<typeof secretName>; value: SecretValue }[] =>
  Object.entries(values).map(([name, value]) => ({
    name: secretName(name),
    value: SecretValue.fromText(value),
  }))

if ((await readdir(resolve(folder, '..'))).includes(`format-${STEPS.length}`)) {
  throw new Error(`${folder} is there already and must not change`)
}
const store = await openStore({ home: folder, env: {}, actor: 'fixture' })
await store.admin.set({ environment: 'main' }, changes({ TOKEN: 'fixture-first' }))
await store.admin.set({ environment: 'main' }, changes(CONTENT.main))
await store.admin.set({ environment: 'staging' }, changes(CONTENT.staging))
await store.admin.groups.create({ environment: 'main', name: 'db' }, changes(CONTENT.group))
await store.admin.set({ environment: 'main' }, changes(CONTENT.staged), { stage: true })
await store.close()
await rm(join(folder, 'store.db-wal'), { force: true })
await writeFile(join(folder, 'content.json'), `${JSON.stringify(CONTENT, null, 2)}\n`)

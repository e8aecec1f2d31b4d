/** X1, X2, X3, R8 on a store in PostgreSQL: the built program in place of another one, and what is recorded of it. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { wheel } from '../../fixtures/packages/distribution.js'
import { startFixtures } from '../../fixtures/fixtures.js'
import { temporaryFolder, type Folder } from '../support/folder.js'
import { startPostgres, type Cluster } from '../support/postgres.js'
import { runTraceless, type ProgramRun } from '../support/program.js'
import { randomToken } from '../support/tokens.js'

const TINY = 'traceless-base:tiny'
const PYTHON = '/usr/bin/python3'

let cluster: Cluster
let folder: Folder
let database: string
const token = randomToken()

const traceless = (words: readonly string[], input?: string): Promise<ProgramRun> =>
  runTraceless(words, {
    cwd: folder.path,
    env: { TRACELESS_HOME: folder.file('home'), TRACELESS_DATABASE: database },
    input,
  })

beforeAll(async () => {
  cluster = await startPostgres()
  database = await cluster.createDatabase()
  folder = await temporaryFolder({ 'requirements.txt': '' })
  expect((await traceless(['secrets', 'set', 'TOKEN=-'], token)).status).toBe(0)
})
afterAll(async () => {
  await folder[Symbol.asyncDispose]()
  await cluster[Symbol.asyncDispose]()
})

/** Prints the value, and its length, which a mask does not have. */
const SCRIPT = 'echo "$TOKEN"; printf %s "$TOKEN" | wc -c; exit 7'

describe('PostgreSQL', () => {
  it.for([
    ['X3', ['exec', '--', 'sh', '-c', SCRIPT]],
    ['X1', ['run', TINY, '--', 'sh', '-c', SCRIPT]],
  ] as const)('%s: a command gets the value and shows none', async ([, words]) => {
    const { status, out } = await traceless(words)
    expect({ status, out: out.replaceAll(' ', '') }).toEqual({ status: 7, out: `***\n${token.length}\n` })
  })

  it('X2: a container gets the value as a file', async () => {
    const script = 'wc -c < /etc/token; ls -lL /etc/token | cut -c1-10; echo "${TOKEN:-none}"'
    const words = ['run', '--secret-file', 'TOKEN:/etc/token', TINY, '--', 'sh', '-c', script]
    const { out } = await traceless(words)
    expect(out).toBe(`${token.length}\n-r--------\nnone\n`)
  })

  it('R8: a local pip reaches a private index, and shows no value', async () => {
    await using fixtures = await startFixtures()
    fixtures.protect('/index/private', { username: 'x', password: token })
    fixtures.publish('private', wheel({ name: 'tool' }))
    const index = `http://x:\${TOKEN}@${fixtures.host}/index/private/simple/`
    await using lists = await temporaryFolder({ 'list.txt': `--index-url ${index}\ntool\n` })
    const words = [
      'pip',
      '--python',
      PYTHON,
      '--',
      'download',
      '-d',
      lists.file('here'),
      '-r',
      lists.file('list.txt'),
    ]
    const { status, out, err } = await traceless(words)
    expect({ status, said: out.includes('tool-1.0') }, err).toEqual({ status: 0, said: true })
    expect(out + err).not.toContain(token)
  })

  it('S11, S12: each of them is recorded', async () => {
    const { out } = await traceless(['secrets', 'usage', 'TOKEN', '--json'])
    expect(out).not.toContain(token)
    for (const kind of ['run', 'exec', 'pip']) expect(out).toContain(`"${kind}"`)
  })
})

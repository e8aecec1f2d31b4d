/**
 * Runs the README: every `sh` and `ts` block, in their order, in one folder, as
 * a reader would. What a reader has and a test has not stands in its place: a
 * Git server for git.example.com, the built program for an installed one.
 */

import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFixtures, type Fixtures } from '../../fixtures/fixtures.js'
import { plainProject } from '../../fixtures/packages/project.js'
import { hasImage, removeImages } from '../support/engine.js'
import { temporaryFolder, type Folder } from '../support/folder.js'
import { randomToken } from '../support/tokens.js'

const ROOT = resolve(import.meta.dirname, '../..')
const IMAGES = ['app:1', 'tool:1', 'tool:2', 'tool:3', 'tool:4', 'tool:5', 'job:1']

const token = randomToken('readme')
let fixtures: Fixtures
let folder: Folder
let output = ''

beforeAll(async () => {
  fixtures = await startFixtures()
  fixtures.protect('/git/acme', { username: token, password: '' })
  await fixtures.repository('acme/widget', plainProject({ name: 'widget' }))
  folder = await temporaryFolder()
  await mkdir(folder.file('bin'))
  await writeFile(folder.file('bin/traceless'), `#!/bin/sh\nexec node ${ROOT}/dist/cli/main.js "$@"\n`)
  await chmod(folder.file('bin/traceless'), 0o755)
  await mkdir(folder.file('node_modules'))
  await symlink(ROOT, folder.file('node_modules/traceless'))
  await removeImages(...IMAGES)
})

afterAll(async () => {
  await removeImages(...IMAGES)
  await folder[Symbol.asyncDispose]()
  await fixtures[Symbol.asyncDispose]()
})

interface Block {
  readonly language: string
  readonly text: string
  /** The heading it stands under. */
  readonly heading: string
}

async function blocks(): Promise<readonly Block[]> {
  const found: Block[] = []
  let heading = ''
  for (const [, title, language, text] of (await readFile(join(ROOT, 'README.md'), 'utf8')).matchAll(
    /^#+ (.*)$|^```(\w+)\n([\s\S]*?)^```$/gm,
  )) {
    if (title !== undefined) heading = title
    else if (language !== undefined && text !== undefined) found.push({ language, text, heading })
  }
  return found
}

async function run({ language, text }: Block): Promise<number | undefined> {
  const [file, args] =
    language === 'sh' ? ['sh', ['-euc', here(text)]] : [join(ROOT, 'node_modules/.bin/tsx'), ['block.mts']]
  await writeFile(folder.file('block.mts'), text)
  const { all, exitCode } = await execa(file, args, {
    cwd: folder.path,
    env: {
      PATH: `${folder.file('bin')}:${process.env['PATH'] ?? ''}`,
      TRACELESS_HOME: folder.file('home'),
      MY_TOKEN: token,
    },
    all: true,
    reject: false,
  })
  output += all
  return exitCode
}

/** The list gets an index for pip's build tools, which a reader has from PyPI. */
const here = (text: string): string =>
  text
    .replace('widget @', `--index-url ${fixtures.origin}/index/open/simple/\nwidget @`)
    .replaceAll('git+https://', 'git+http://')
    .replaceAll('git.example.com', fixtures.host)

describe('README', () => {
  it('has blocks that run, one after the other', async () => {
    const runnable = (await blocks()).filter(({ language }) => language === 'sh' || language === 'ts')
    expect(runnable.map(({ language }) => language)).toEqual(['sh', 'sh', 'sh', 'sh', 'sh', 'ts', 'sh'])
    for (const block of runnable) expect(await run(block), `${block.heading}\n${output}`).toBe(0)
    for (const name of IMAGES) expect(await hasImage(name), name).toBe(true)
    expect(output).not.toContain(token)
    expect(output).toContain('verdict: clean')
  })
})

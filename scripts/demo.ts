/**
 * `make demo`: what a person does with Traceless, on servers of its own, from a
 * wrong token to a package that steals one. It calls the program as a person
 * would, and fails where the program does not do what is announced.
 *
 * @packageDocumentation
 */

import { join, resolve } from 'node:path'
import { execa } from 'execa'
import pc from 'picocolors'
import { startFixtures, type Fixtures } from '../fixtures/fixtures.js'
import { hostileProject, plainProject } from '../fixtures/packages/project.js'
import { hasImage, removeImages, runIn } from '../test/support/engine.js'
import { temporaryFolder } from '../test/support/folder.js'
import { searchEverywhere } from '../test/support/search.js'
import { randomToken } from '../test/support/tokens.js'

const PROGRAM = resolve(import.meta.dirname, '../dist/cli/main.js')
const BASE = 'traceless-base:bookworm'
const IMAGE = 'traceless-demo:1'
const LEAKY_IMAGE = 'traceless-demo:leaky'
const CHATTY_IMAGE = 'traceless-demo:chatty'

// What an earlier demo left would make the first step look wrong.
await removeImages(IMAGE, LEAKY_IMAGE, CHATTY_IMAGE)
const token = randomToken('demo')
await using fixtures = await startFixtures()
const index = `--index-url ${fixtures.origin}/index/open/simple/`
const widget = privatePackage('widget')
const handy = privatePackage('handy')
await using folder = await temporaryFolder({
  'requirements.txt': [index, widget, ''].join('\n'),
  'leaky.txt': [index, widget, handy, ''].join('\n'),
  Dockerfile: [
    'FROM traceless-base:tiny',
    'RUN --mount=type=secret,id=GIT_TOKEN \\',
    '    echo "token: $(cat /run/secrets/GIT_TOKEN)" && echo "base64: $(base64 < /run/secrets/GIT_TOKEN)"',
    '',
  ].join('\n'),
})
await makeRepositories(fixtures)

title('What there is')
say(`A Git server on ${fixtures.host} with two private repositories, acme/widget and acme/core;`)
say('widget depends on core. Both want a token. The requirement list names it, and does not hold it.')
say('(The index stands in for PyPI, so that the demo works without a network.)')
await show('cat', 'requirements.txt')

title('1. A wrong token: the build fails, and says so')
await setToken('this-is-not-the-token')
await traceless(4, 'build', '-r', 'requirements.txt', '--base', BASE, '-t', IMAGE)
await expectImage(IMAGE, false)

title('2. The right token: the image is built, read layer by layer, and only then named')
await setToken(token)
await traceless(0, 'build', '-r', 'requirements.txt', '--base', BASE, '-t', IMAGE)
await expectImage(IMAGE, true)
await expectModules()

title('3. A step that prints the token: the log shows three stars in its place, whatever it is written as')
await show('cat', 'Dockerfile')
await traceless(0, 'build', '-f', 'Dockerfile', '-t', CHATTY_IMAGE)
await removeImages(CHATTY_IMAGE)

title('4. A package that steals: the same list, and one dependency that keeps the token in a file')
say('The setup.py of acme/handy looks for credentials, and hides what it finds in the package as base64.')
await show('cat', 'leaky.txt')
await traceless(5, 'build', '-r', 'leaky.txt', '--base', BASE, '-t', LEAKY_IMAGE)
await expectImage(LEAKY_IMAGE, false)

title('5. Nothing is left of the token')
await expectNothingLeft()
say(`The image ${IMAGE} stays in the engine at ${process.env['DOCKER_HOST'] ?? 'its default place'}.`)

title('That was it')
say('The token was sealed in a store, reached one build step, and is in no log, no layer and no record.')
say('README.md shows the same on a machine of your own, from "npm install" on.')

/** A line of a requirement list that names the token. */
function privatePackage(name: string): string {
  return `${name} @ git+http://\${GIT_TOKEN}@${fixtures.host}/git/acme/${name}.git`
}

async function makeRepositories(host: Fixtures): Promise<void> {
  host.protect('/git/acme', { username: token, password: '' })
  const core = `core @ git+${host.origin}/git/acme/core.git`
  await host.repository('acme/core', plainProject({ name: 'core' }))
  await host.repository('acme/widget', plainProject({ name: 'widget', requires: [core] }))
  await host.repository(
    'acme/handy',
    hostileProject({ name: 'handy' }, { disguises: ['base64'], asks: [`${host.origin}/git/acme/handy.git`] }),
  )
}

/** The value goes in by standard input, so that it stands in no command line. */
async function setToken(value: string): Promise<void> {
  command('traceless secrets set GIT_TOKEN=-')
  await program(['secrets', 'set', 'GIT_TOKEN=-'], 0, value)
}

async function traceless(status: number, ...args: readonly string[]): Promise<void> {
  command(`traceless ${args.join(' ')}`)
  await program(args, status)
  console.log(pc.dim(`exit status ${String(status)}`))
}

async function program(args: readonly string[], status: number, input = ''): Promise<void> {
  const { exitCode } = await execa(process.execPath, [PROGRAM, ...args], {
    cwd: folder.path,
    env: { TRACELESS_HOME: join(folder.path, 'home') },
    input,
    stdout: 'inherit',
    stderr: 'inherit',
    reject: false,
  })
  expect(
    exitCode === status,
    `the program was to end with status ${String(status)}, and ended with ${String(exitCode)}`,
  )
}

async function show(file: string, ...args: readonly string[]): Promise<void> {
  command([file, ...args].join(' '))
  await execa(file, args, { cwd: folder.path, stdout: 'inherit' })
}

async function expectImage(name: string, wanted: boolean): Promise<void> {
  expect((await hasImage(name)) === wanted, `${name} was${wanted ? '' : ' not'} to be in the engine`)
  say(wanted ? `${name} is in the engine.` : `There is no ${name} in the engine.`)
}

async function expectModules(): Promise<void> {
  const shell = `python3 -c 'import widget, core; print("imported", widget.NAME, "and", core.NAME)'`
  command(`docker run ${IMAGE} ${shell}`)
  const { status, output } = await runIn(IMAGE, shell)
  process.stdout.write(output)
  expect(status === 0, 'the installed modules were to be importable')
}

async function expectNothingLeft(): Promise<void> {
  say(`Searching ${IMAGE}, the store, every process and the engine's build records for the token,`)
  say('as text, base64, hex, percent-encoded, reversed and UTF-16:')
  const hits = await searchEverywhere([token], { images: [IMAGE], folders: [join(folder.path, 'home')] })
  expect(hits.length === 0, `the token was found: ${hits.join(', ')}`)
  say(pc.green('nothing found.'))
}

/** @throws {@link Error} where the demo does not show what it announces. */
function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(`The demo failed: ${otherwise}.`)
}

function title(text: string): void {
  console.log(`\n${pc.bold(pc.cyan(`== ${text} ==`))}\n`)
}

function command(text: string): void {
  console.log(pc.bold(`$ ${text}`))
}

function say(text: string): void {
  console.log(text)
}

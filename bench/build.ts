/**
 * What a proven build costs beside a plain one: wall time of `traceless build`,
 * proof included, and of `docker build --secret` by Docker's own client, of the
 * same Dockerfile on the same engine, in turns in one run.
 *
 * Both are whole programs, from their start to their end. "Empty" means that no
 * step of the Dockerfile is in the engine's cache, because its first one is
 * another each time; "full" means that all are. What stands on a base of 1 GB
 * finds that base proven: what proving it once costs is a row of its own.
 *
 * Needs Docker's client (Debian's docker.io) and an engine: DOCKER_HOST, or what
 * scripts/engine.sh starts.
 *
 * @packageDocumentation
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { startFixtures } from '../fixtures/fixtures.js'
import { wheel, type Distribution } from '../fixtures/packages/distribution.js'
import { atMost, median, type Bench, type Row } from './bench.js'

const ROOT = resolve(import.meta.dirname, '..')
const BASE = 'traceless-base:bookworm'
/** Debian's client: a newer one elsewhere on the path would need a plug-in to build. */
const DOCKER = '/usr/bin/docker'

const ROUNDS = 3

/** Size of the large base's own layers, beside the 300 MB of the small one. */
const LARGE_MB = 700

/** Private packages that are installed, with the modules of Python's own library shared out among them: 11 MB of source. */
const PACKAGES = 12
const LIBRARY = '/usr/lib/python3.11'

/** How much longer than the plain build a proven one may take. */
const EMPTY_RATIO = 1.1
const FULL_SECONDS = 0.5

/** Measures. */
export async function run(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'traceless-bench-'))
  const names: string[] = []
  const { stdout } = await execa(join(ROOT, 'scripts/engine.sh'))
  const env = {
    DOCKER_HOST: stdout.replace(/^DOCKER_HOST=/, ''),
    DOCKER_BUILDKIT: '1',
    TRACELESS_HOME: join(folder, 'home'),
    TOKEN: randomBytes(20).toString('hex'),
  }
  await using fixtures = await startFixtures()
  const index = fixtures.publish('private', ...(await packages()))
  fixtures.protect('/index/private', { username: 'ci', password: env.TOKEN })
  const docker = (args: readonly string[], input = ''): Promise<unknown> =>
    execa(DOCKER, args, { env, input })
  const traceless = (args: readonly string[], input = ''): Promise<unknown> =>
    execa('node', [join(ROOT, 'dist/cli/main.js'), ...args], { env, input })
  const name = (kind: string): string => {
    const made = `traceless-bench/${kind}:${randomUUID()}`
    names.push(made)
    return made
  }
  try {
    await traceless(['secrets', 'set', 'TOKEN=-'], env.TOKEN)
    const large = name('base')
    await docker(['build', '--network', 'host', '-t', large, '-'], largeBase())
    const rows: Row[] = []
    const bars: Bench['bars'][number][] = []
    for (const [kind, base] of [
      ['small', BASE],
      ['1 GB base', large],
    ] as const) {
      const context = join(folder, kind)
      await writeContext(context)
      const plain = (file: string): Promise<number> =>
        seconds(() =>
          docker([
            'build',
            '--network',
            'host',
            '--secret',
            'id=TOKEN,env=TOKEN',
            '-f',
            file,
            '-t',
            name('plain'),
            context,
          ]),
        )
      const proven = (file: string): Promise<number> =>
        seconds(() => traceless(['build', '--network', 'host', '-f', file, '-t', name('proven'), context]))
      const dockerfile = async (): Promise<string> => {
        const file = join(context, 'Dockerfile')
        await writeFile(file, dockerfileOn(base, index))
        return file
      }
      const first = await dockerfile()
      rows.push({ image: kind, cache: 'empty, base not proven yet', traceless: rounded(await proven(first)) })
      const empty = await pairs(async () => {
        const file = await dockerfile()
        return { plain: () => plain(file), proven: () => proven(file) }
      })
      const last = await dockerfile()
      await plain(last)
      await proven(last)
      const full = await pairs(() =>
        Promise.resolve({ plain: () => plain(last), proven: () => proven(last) }),
      )
      rows.push(rowOf(kind, 'empty', empty), rowOf(kind, 'full', full))
      const ratio = median(empty.map(({ plain, proven }) => proven / plain))
      const more = median(full.map(({ plain, proven }) => proven - plain))
      bars.push(
        atMost(`${kind}, empty cache: times the plain build`, ratio, EMPTY_RATIO),
        atMost(`${kind}, full cache: seconds beside the plain build`, more, FULL_SECONDS),
      )
    }
    return { rows, bars }
  } finally {
    for (const image of names) await execa(DOCKER, ['image', 'rm', '--force', image], { env, reject: false })
    await rm(folder, { recursive: true })
  }
}

interface Pair {
  readonly plain: number
  readonly proven: number
}

/** Takes both times again and again, each first in turn. */
async function pairs(
  prepare: () => Promise<{ plain: () => Promise<number>; proven: () => Promise<number> }>,
): Promise<readonly Pair[]> {
  const taken: Pair[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const { plain, proven } = await prepare()
    if (round % 2 === 0) {
      const first = await plain()
      taken.push({ plain: first, proven: await proven() })
    } else {
      const first = await proven()
      taken.push({ proven: first, plain: await plain() })
    }
  }
  return taken
}

const rowOf = (image: string, cache: string, taken: readonly Pair[]): Row => ({
  image,
  cache,
  'docker build': rounded(median(taken.map(({ plain }) => plain))),
  traceless: rounded(median(taken.map(({ proven }) => proven))),
  'of each pair': taken.map(({ plain, proven }) => `${rounded(plain)}/${rounded(proven)}`).join(' '),
})

const rounded = (figure: number): number => Math.round(figure * 100) / 100

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) / 1000
}

/** Files in which nothing repeats, as in a base with much software in it. */
const largeBase = (): string =>
  [
    `FROM ${BASE}`,
    `RUN mkdir /large && for n in $(seq 1 ${LARGE_MB}); do head -c 1000000 /dev/urandom > /large/$n; done`,
  ].join('\n')

async function writeContext(folder: string): Promise<void> {
  await mkdir(join(folder, 'app'), { recursive: true })
  for (let file = 0; file < 100; file += 1) {
    await writeFile(
      join(folder, 'app', `module_${String(file)}.py`),
      `VALUE = '${randomUUID()}'\n`.repeat(200),
    )
  }
}

/** Wheels with real code in them: pip writes, checks and compiles every file. */
async function packages(): Promise<readonly Distribution[]> {
  const found = await readdir(LIBRARY, { recursive: true, withFileTypes: true })
  const modules = found.filter((file) => file.isFile() && file.name.endsWith('.py'))
  const shares = Array.from({ length: PACKAGES }, (): Record<string, string> => ({}))
  for (const [at, { parentPath, name }] of modules.entries()) {
    const share = shares[at % PACKAGES]
    const folder = `bench_${String((at % PACKAGES) + 1)}${parentPath.slice(LIBRARY.length)}`
    if (share !== undefined) share[`${folder}/${name}`] = await readFile(join(parentPath, name), 'latin1')
  }
  return shares.map((files, at) => wheel({ name: `bench-${String(at + 1)}` }, files))
}

/** A build as many are: packages from a private index, the application, something made of both. */
function dockerfileOn(base: string, index: string): string {
  const names = Array.from({ length: PACKAGES }, (_, at) => `bench-${String(at + 1)}`).join(' ')
  const url = index.replace('http://', 'http://ci:$(cat /run/secrets/TOKEN)@')
  return [
    `FROM ${base}`,
    `RUN : ${randomUUID()}`,
    `RUN --mount=type=secret,id=TOKEN pip install --break-system-packages --no-cache-dir --index-url "${url}" ${names}`,
    'COPY app /app',
    'RUN python3 -m compileall -q /app',
  ].join('\n')
}

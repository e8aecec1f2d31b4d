/**
 * What a base image can do, found out by a build without secrets. A cached step
 * replays no output, so each probe carries a word of its own, and an answer is
 * remembered for the image and packages it was given for.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto'
import { Fault } from '../errors.js'
import { contextTar } from '../docker/context.js'
import type { BuildInput, Digest, Engine } from '../docker/engine.js'
import { aptLines } from './recipe-parts.js'

/** What matters of a base for an installation. Versions are `undefined` where the program is missing. */
export interface BaseFacts {
  readonly python: string | undefined
  readonly pip: string | undefined
  readonly git: string | undefined
  readonly ssh: string | undefined
  readonly uv: string | undefined
  /** Whether the distribution forbids installing into its Python (PEP 668) and no virtual environment is active. */
  readonly externallyManaged: boolean
}

/** Answers by base image and packages. */
export type ProbeMemory = Map<string, BaseFacts>

/** How long cleaning up may take, in milliseconds. */
const CLEAN_MS = 60_000

const MARK = 'traceless-probe:'

const SCRIPT = [
  `p() { echo "${MARK}$1=$2"; }`,
  'p python "$(python3 -c \'import platform; print(platform.python_version())\' 2>/dev/null)"',
  'p pip "$(python3 -m pip --version 2>/dev/null | cut -d" " -f2)"',
  'p git "$(git --version 2>/dev/null | cut -d" " -f3)"',
  'p ssh "$(ssh -V 2>&1 | sed -n "s/^OpenSSH_\\([^ ,]*\\).*/\\1/p")"',
  'p uv "$(uv --version 2>/dev/null | cut -d" " -f2)"',
  'p managed "$(python3 -c \'import os, sys, sysconfig; print(int(sys.prefix == sys.base_prefix and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))))\' 2>/dev/null)"',
].join('; ')

/**
 * Looks into a base image.
 *
 * @throws {@link Fault} `BASE_UNSUITABLE` where not even a shell runs or the packages cannot be installed.
 */
export async function probeBase(
  engine: Engine,
  memory: ProbeMemory,
  probe: {
    readonly image: Digest
    readonly base: string
    readonly apt: readonly string[]
    /** Input of the build to come: network, platform and tenant are taken from it. */
    readonly like: Omit<BuildInput, 'dockerfile' | 'context' | 'mounts' | 'targets'>
    readonly signal: AbortSignal
  },
): Promise<BaseFacts> {
  const key = JSON.stringify([probe.image, probe.apt, probe.like.platform ?? ''])
  const known = memory.get(key)
  if (known !== undefined) return known
  const facts = readFacts(await outputOf(engine, probe))
  memory.set(key, facts)
  return facts
}

async function outputOf(engine: Engine, probe: Parameters<typeof probeBase>[2]): Promise<string> {
  const salt = randomUUID()
  const command = `: ${salt}; ${SCRIPT}`
  const dockerfile = [
    `FROM ${probe.base}`,
    'USER 0:0',
    ...aptLines(probe.apt),
    `RUN ${JSON.stringify(['/bin/sh', '-c', command])}`,
  ].join('\n')
  const chunks: Uint8Array[] = []
  const images: Digest[] = []
  try {
    const events = engine.build(
      {
        ...probe.like,
        dockerfile: Buffer.from(dockerfile),
        context: contextTar({ root: undefined }),
        mounts: new Map(),
        targets: [''],
      },
      probe.signal,
    )
    for await (const event of events) {
      if (event.type === 'log') chunks.push(event.bytes)
      else if (event.type === 'image') images.push(event.image)
    }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'BUILD_FAILED') throw error
    throw new Fault(
      'BASE_UNSUITABLE',
      probe.apt.length === 0
        ? 'The base image runs no shell.'
        : 'The base image cannot install the packages of --apt.',
      { hint: 'The base needs /bin/sh, and apt-get where packages are asked for.', cause: error },
    )
  } finally {
    for (const image of images) await engine.removeUntagged(image)
    // Nobody can use this record again, and there would be one for each run of the program.
    await engine.dropRecords({ commands: [salt], since: undefined }, AbortSignal.timeout(CLEAN_MS))
  }
  return Buffer.concat(chunks).toString('utf8')
}

function readFacts(output: string): BaseFacts {
  const answers = new Map<string, string>()
  for (const line of output.split('\n')) {
    const at = line.indexOf(MARK)
    if (at === -1) continue
    const [key = '', value = ''] = line
      .slice(at + MARK.length)
      .trim()
      .split('=')
    answers.set(key, value)
  }
  const version = (key: string): string | undefined => {
    const text = answers.get(key)
    return text === undefined || text === '' ? undefined : text
  }
  return {
    python: version('python'),
    pip: version('pip'),
    git: version('git'),
    ssh: version('ssh'),
    uv: version('uv'),
    externallyManaged: answers.get('managed') === '1',
  }
}

/**
 * Containers that are processes of this machine: enough of an engine to see
 * what the runner tells one, without one.
 */

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { Container, ContainerSpec, OutputPiece, PathKind } from '../../src/docker/containers.js'
import type { Engine, ImageFacts } from '../../src/docker/engine.js'
import { MEMORY_FOLDER } from '../../src/runner/shim.js'

/** What the runner did, in order. */
export type Deed =
  | 'create'
  | 'link'
  | 'attach'
  | 'watch'
  | 'start'
  | 'remove'
  | `resize ${number}x${number}`
  | `kill ${NodeJS.Signals}`

/** An engine for the runner. */
export interface LocalEngine extends Pick<Engine, 'containers' | 'inspect' | 'pull'> {
  readonly specs: ContainerSpec[]
  readonly deeds: Deed[]
  readonly links: Map<string, string>
}

const IMAGE: ImageFacts = {
  id: 'sha256:1234',
  tags: ['image'],
  user: '',
  env: [`PATH=${process.env['PATH'] ?? ''}`, 'FROM_IMAGE=yes'],
  shell: [],
  workdir: '',
  entrypoint: [],
  command: ['sh', '-c', 'echo the command of the image'],
  onBuild: [],
  layers: [],
  os: 'linux',
  architecture: 'amd64',
  sizeBytes: 0,
}

/**
 * Makes an engine.
 *
 * @param options - `shell` stands at `/bin/sh` of every image; `memory` is the folder in which memory files are made;
 * `fail` makes a deed fail.
 */
export function localEngine({
  image = {},
  isThere = true,
  paths = { '/bin/sh': 'link' },
  shell = 'sh',
  memory = '/nowhere',
  fail,
}: {
  image?: Partial<ImageFacts>
  isThere?: boolean
  paths?: Readonly<Record<string, PathKind>>
  shell?: string
  memory?: string
  fail?: { readonly deed: Deed; readonly error: Error }
} = {}): LocalEngine {
  const facts = { ...IMAGE, ...image }
  const specs: ContainerSpec[] = []
  const deeds: Deed[] = []
  const links = new Map<string, string>()
  let there = isThere
  const did = (deed: Deed): void => {
    deeds.push(deed)
    if (fail?.deed === deed) throw fail.error
  }
  const containerOf = (spec: ContainerSpec): Container => {
    const stdin = new PassThrough()
    const output = new PassThrough({ objectMode: true })
    let child: ChildProcessWithoutNullStreams | undefined
    let end: (status: number) => void = () => undefined
    const status = new Promise<number>((resolve) => void (end = resolve))
    return {
      id: 'c0ffee000000beef',
      async attach() {
        did('attach')
        return {
          stdin,
          output: output as AsyncIterable<OutputPiece>,
          [Symbol.dispose]: () => void output.end(),
        }
      },
      async watch() {
        did('watch')
        return { status, [Symbol.dispose]: () => undefined }
      },
      async start() {
        did('start')
        const [file = '', ...args] = [...spec.entrypoint, ...spec.command].map((word) =>
          word.replaceAll(MEMORY_FOLDER, memory),
        )
        const env = Object.fromEntries(
          [...facts.env, ...spec.env].map((pair) => {
            const at = pair.indexOf('=')
            return [pair.slice(0, at), pair.slice(at + 1)]
          }),
        )
        const started = spawn(file === '/bin/sh' ? shell : file, args, { argv0: file, env, cwd: '/' })
        child = started
        started.stdin.on('error', () => undefined)
        stdin.pipe(started.stdin)
        for (const stream of ['stdout', 'stderr'] as const) {
          started[stream].on('data', (bytes: Buffer) => output.write({ stream, bytes } satisfies OutputPiece))
        }
        void once(started, 'close').then(([code, signal]: unknown[]) => {
          output.end()
          end(typeof code === 'number' ? code : signal === 'SIGKILL' ? 137 : 143)
        })
      },
      async kill(signal) {
        did(`kill ${signal}`)
        child?.kill(signal)
      },
      async resize({ columns, rows }) {
        did(`resize ${columns}x${rows}`)
      },
      isRunning: async () => child?.exitCode === null,
      kindOf: async (path) => paths[path] ?? null,
      async link(made) {
        did('link')
        for (const [path, target] of made) links.set(path, target)
      },
      async remove() {
        did('remove')
        child?.kill('SIGKILL')
      },
    }
  }
  return {
    specs,
    deeds,
    links,
    inspect: async () => (there ? facts : null),
    async pull() {
      there = true
    },
    containers: {
      async create(spec) {
        did('create')
        specs.push(spec)
        return containerOf(spec)
      },
    },
  }
}

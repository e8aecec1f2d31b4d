/**
 * The redactor on a build log of 64 MB, beside a bare copy of the stream, the
 * loop that people write by hand (`replaceAll` for every value) and the public
 * maskers for Node that take a stream: dotenvx (`run --redact`) and
 * replacestream with one expression of all values. The peers look for values
 * as they are; the redactor looks for every form of them.
 *
 * All candidates of a row are measured in turns in one run, in MB for each
 * second of this process's own CPU.
 *
 * @packageDocumentation
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { needlesFor, Redactor } from '../src/leak/index.js'
import { atLeast, cpuSeconds, median, type Bench, type Row } from './bench.js'

const LOG_BYTES = 64 << 20
const ROUNDS = 3
/** Rounds before those, which are not counted: code is slow while it is new, and the engine makes it quick in threads that count. */
const WARM_UPS = 3
const LARGE_CHUNK = 64 << 10
const LINE_CHUNK = 80
const COUNTS = [10, 200, 2000]

/** Candidates that take minutes for the whole log get this much of it, and with the most secrets one round. */
const SLOW_BYTES = 1 << 18
const MOST = Math.max(...COUNTS)

/** Lines that pip, apt, npm, Go, git and Docker print, with a number where theirs change. */
const LINES = [
  '#12 4.182 Collecting requests==2.32.N',
  '#12 4.300   Downloading requests-2.32.N-py3-none-any.whl (64 kB)',
  '     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 64.9/64.N kB 3.1 MB/s eta 0:00:00',
  'Get:N http://deb.debian.org/debian bookworm/main amd64 libc6-dev amd64 2.36-9+deb12u9 [1904 kB]',
  'Unpacking libssl3:amd64 (3.0.N-1~deb12u1) over (3.0.14-1~deb12u2) ...',
  'npm warn deprecated glob@7.2.N: Glob versions prior to v9 are no longer supported',
  '\u001b[32m✔\u001b[0m compiled 1N modules in 412 ms',
  'Step N/19 : RUN --mount=type=cache,target=/root/.cache/go-build go build -o /out/app ./cmd/app',
  ' ---> Running in 7f1a2b3c4N5e',
  'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0fN 1.45MB / 28.2MB 0.3s',
]

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

interface Secret {
  readonly name: string
  readonly value: string
}

/** Shapes of real values: tokens of several services, keys, passwords, addresses. */
const SHAPES: readonly (() => string)[] = [
  () => `ghp_${letters(36)}`,
  () => `npm_${letters(36)}`,
  () => `AKIA${letters(16).toUpperCase()}`,
  () => randomUUID(),
  () => randomBytes(20).toString('hex'),
  () => randomBytes(30).toString('base64'),
  () => `${letters(9)}!${letters(4)}`,
  () => `postgres://app:${letters(20)}@db.internal:5432/app`,
  () => `xoxb-${letters(12)}-${letters(24)}`,
  () => `hf_${letters(34)}`,
]

const letters = (count: number): string => randomBytes(count).toString('base64url').slice(0, count)

const secretsOf = (count: number): readonly Secret[] =>
  Array.from({ length: count }, (_, number) => ({
    name: `S${number}`,
    value: SHAPES[number % SHAPES.length]?.() ?? '',
  }))

/** A log in which one line of ten thousand holds a value, printed by mistake. */
function logWith(secrets: readonly Secret[]): Buffer {
  const lines: string[] = []
  for (let size = 0, at = 0; size < LOG_BYTES; at += 1) {
    const text = (LINES[at % LINES.length] ?? '').replace('N', String(at % 997))
    const secret = at % 10_000 === 0 ? secrets[at % secrets.length] : undefined
    const line = secret === undefined ? `${text}\n` : `${text} token=${secret.value}\n`
    lines.push(line)
    size += line.length
  }
  return Buffer.from(lines.join('')).subarray(0, LOG_BYTES)
}

function* chunks(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

interface Candidate {
  readonly name: string
  /** Whether it is too slow for the whole log. */
  readonly isSlow: boolean
  /** Made once; what is measured is the call for each chunk. */
  readonly make: (secrets: readonly Secret[]) => (chunk: Buffer) => unknown
}

const require = createRequire(import.meta.url)
const DOTENVX = join(
  dirname(require.resolve('@dotenvx/dotenvx/package.json')),
  'src/lib/helpers/redactOutput.js',
)

interface Peers {
  readonly createRedactor: (values: readonly string[]) => { write(chunk: Buffer): string }
  readonly replaceStream: (
    search: RegExp,
    mark: string,
  ) => { write(chunk: Buffer): boolean; read(): Buffer | null }
}

const peers: Peers = {
  createRedactor: (require(DOTENVX) as Peers).createRedactor,
  replaceStream: require('replacestream') as Peers['replaceStream'],
}

const CANDIDATES: readonly Candidate[] = [
  {
    name: 'Redactor',
    isSlow: false,
    make: (secrets) => {
      const needles = needlesFor(secrets.map(({ name, value }) => ({ name, value: Buffer.from(value) })))
      const redactor = new Redactor(needles)
      return (chunk) => redactor.push(chunk)
    },
  },
  { name: 'bare copy', isSlow: false, make: () => (chunk) => Buffer.from(chunk) },
  {
    name: 'replaceAll loop',
    isSlow: true,
    make: (secrets) => (chunk) => {
      let text = chunk.toString('latin1')
      for (const { value } of secrets) text = text.replaceAll(value, '***')
      return Buffer.from(text, 'latin1')
    },
  },
  {
    name: 'dotenvx',
    isSlow: true,
    make: (secrets) => {
      const redactor = peers.createRedactor(secrets.map(({ value }) => value))
      return (chunk) => redactor.write(chunk)
    },
  },
  {
    name: 'replacestream',
    isSlow: true,
    make: (secrets) => {
      const stream = peers.replaceStream(
        new RegExp(secrets.map(({ value }) => value.replace(/[^A-Za-z0-9]/g, '\\$&')).join('|'), 'g'),
        '***',
      )
      return (chunk) => {
        stream.write(chunk)
        return stream.read()
      }
    },
  },
]

/** Measures. */
export async function run(): Promise<Bench> {
  const rows: Row[] = []
  const rates = new Map<string, number>()
  for (const count of COUNTS) {
    const secrets = secretsOf(count)
    const log = logWith(secrets)
    for (const size of [LARGE_CHUNK, LINE_CHUNK]) {
      const taken = new Map(CANDIDATES.map(({ name }) => [name, [] as number[]]))
      const made = CANDIDATES.map(({ name, isSlow, make }) => ({ name, isSlow, take: make(secrets) }))
      // What making them left behind is not the stream's.
      collectGarbage()
      for (let round = -WARM_UPS; round < ROUNDS; round += 1) {
        for (const { name, isSlow, take } of made) {
          if (isSlow && (round < -1 || (count === MOST && round > 0))) continue
          const bytes = isSlow ? log.subarray(0, SLOW_BYTES) : log
          const seconds = cpuSeconds(() => {
            for (const chunk of chunks(bytes, size)) take(chunk)
          })
          if (round >= 0) taken.get(name)?.push(bytes.length / 1e6 / seconds)
          // A run of one's own for each candidate, so that nothing is kept of the one before.
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
      for (const [candidate, figures] of taken) {
        const rate = median(figures)
        rates.set(`${candidate} ${count} ${size}`, rate)
        rows.push({ candidate, secrets: count, chunk: size, 'MB per CPU-second': Math.round(rate) })
      }
    }
  }
  const rate = (candidate: string): number => rates.get(`${candidate} 200 ${LARGE_CHUNK}`) ?? 0
  const peer = Math.max(...['replaceAll loop', 'dotenvx', 'replacestream'].map(rate))
  return {
    rows,
    bars: [
      atLeast(
        '200 secrets, 64 KiB: MB per CPU-second, or 70 % of a bare copy',
        rate('Redactor'),
        Math.min(400, 0.7 * rate('bare copy')),
      ),
      atLeast('200 secrets, 64 KiB: times the best peer', rate('Redactor') / peer, 5),
      atLeast('a clean line is held less than a millisecond: share of lines', cleanLines(), 0.999),
    ],
  }
}

/**
 * The share of clean lines that come out whole, and after less than a millisecond of this process's time: a clock would tell
 * what others did on the machine. A line whose last bytes begin a value by chance is not a clean one.
 */
function cleanLines(): number {
  const needles = needlesFor(secretsOf(200).map(({ name, value }) => ({ name, value: Buffer.from(value) })))
  const redactor = new Redactor(needles)
  collectGarbage()
  const COUNT = 100_000
  let [clean, quick] = [0, 0]
  for (let at = 0; at < COUNT; at += 1) {
    const line = Buffer.from(`${(LINES[at % LINES.length] ?? '').replace('N', String(at))}\n`)
    const wasHolding = redactor.holding
    let out: Uint8Array = line
    const seconds = cpuSeconds(() => (out = redactor.push(line)))
    const isHolding = redactor.holding
    if (wasHolding || isHolding) continue
    clean += 1
    if (out.length === line.length && seconds < 0.001) quick += 1
  }
  if (clean < 0.99 * COUNT) throw new Error('hardly a line is clean')
  return quick / clean
}

/**
 * A real server on a port of its own, with a worker that plays builds instead
 * of carrying them out: what a browser sees of them is the same, and a test says
 * when each thing happens.
 *
 * @packageDocumentation
 */

import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { secretName, SecretValue } from '../../src/secret.js'
import type { BuildOutcome, JsonObject, Lease } from '../../src/store/builds.js'
import type { Store } from '../../src/store/open.js'
import type { Scope } from '../../src/store/tokens.js'
import { startListening } from '../support/listening-server.js'

/** Where the tests' own build of the dashboard is. */
export const DASHBOARD = resolve(import.meta.dirname, '../../dist/server/dashboard')

/** A server that a browser can be sent to. */
export interface Served extends AsyncDisposable {
  readonly url: string
  readonly store: Store
  /** Lines that the server logged. */
  readonly log: readonly string[]
  /** Lets the slow builds go on. */
  open(): void
  /** The text of a new token. */
  token(...scopes: Scope[]): Promise<string>
  set(values: Readonly<Record<string, string>>, environment?: string): Promise<void>
}

const IMAGE = `sha256:${'4f'.repeat(32)}`

/** Starts it. */
export async function startServed(): Promise<Served> {
  const listening = await startListening(DASHBOARD)
  const { url, store, log, queue, signal } = listening
  let open = (): void => undefined
  const gate = new Promise<void>((done) => (open = done))
  const worker = await store.workers.register({
    name: 'played',
    host: 'build-1',
    engine: { name: 'docker', version: '28.5.2', os: 'linux' },
  })
  const playing = playAll({ store, gate, worker, ids: queue.take(signal), signal })
  return {
    url,
    store,
    log,
    open,
    token: (...scopes) => listening.token(...scopes),
    async set(values, environment = 'main') {
      const changes = Object.entries(values).map(([name, value]) => ({
        name: secretName(name),
        value: SecretValue.fromText(value),
      }))
      await store.admin.set({ environment }, changes)
    },
    async [Symbol.asyncDispose]() {
      open()
      listening.stop()
      await playing
      await listening.close()
    },
  }
}

interface Playing {
  readonly store: Store
  /** Opens when the test says so. */
  readonly gate: Promise<void>
  readonly worker: string
  readonly ids: AsyncIterable<string>
  readonly signal: AbortSignal
}

async function playAll({ ids, ...playing }: Playing): Promise<void> {
  const plays: Promise<void>[] = []
  for await (const id of ids) {
    const lease = await playing.store.builds.begin(id, playing.worker)
    if (lease !== null) plays.push(play(lease, playing))
  }
  await Promise.all(plays)
}

async function play(lease: Lease, { store, gate, signal }: Omit<Playing, 'ids'>): Promise<void> {
  const { builds } = store
  const build = await builds.get(lease.build)
  const { text } = build?.request['dockerfile'] as { text: string }
  const tell = (...events: readonly JsonObject[]): Promise<boolean> => builds.appendEvents(lease, events)
  const end = (outcome: BuildOutcome): Promise<boolean> => builds.finish(lease, outcome)
  await tell(
    { type: 'phase', phase: 'build' },
    step('1', '[1/3] FROM traceless-base:tiny', 'cached'),
    step('2', '[2/3] RUN --mount=type=secret,id=API_KEY make install', 'started'),
    output('2', 'resolving \u001b[32mdependencies\u001b[0m\nusing token ***\nfetching 10%\rfetching 100%\n'),
  )
  if (text.includes('# forever')) {
    while (!signal.aborted && (await builds.renew(lease)) === 'live') await pause(50)
    await tell(step('2', '[2/3] RUN --mount=type=secret,id=API_KEY make install', 'canceled', 900))
    await end({ state: 'cancelled', failure: { code: 'CANCELLED', message: 'The build was cancelled.' } })
    return
  }
  if (text.includes('# slow')) await gate
  await tell(
    output('2', 'installed 12 packages\n'),
    step('2', '[2/3] RUN --mount=type=secret,id=API_KEY make install', 'done', 8_400),
    step('3', '[3/3] COPY app /app', 'done', 320),
    { type: 'phase', phase: 'prove' },
    { type: 'report', report: text.includes('# leaky') ? LEAKY : CLEAN },
  )
  if (text.includes('# leaky')) {
    await end({
      state: 'refused',
      report: LEAKY,
      failure: {
        code: 'LEAK_FOUND',
        message: 'The image holds the value of a secret. It got no name and was removed.',
        hint: 'Use the secret through --mount=type=secret only, and write it to no file that stays.',
      },
    })
    return
  }
  await tell({ type: 'built', image: IMAGE, tags: ['app:1'] })
  await builds.putOutput(lease, bytesOf('an archive'))
  await end({ state: 'succeeded', image: IMAGE, report: CLEAN })
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

const step = (id: string, name: string, state: string, durationMs?: number): JsonObject => ({
  type: 'step',
  id,
  name,
  state,
  ...(durationMs === undefined ? {} : { durationMs }),
})

const output = (id: string, text: string): JsonObject => ({
  type: 'log',
  id,
  stream: 'stdout',
  bytes: Buffer.from(text).toString('base64'),
})

const layer = (
  number: number,
  text: string,
  bytes: number,
  state: string,
  more: JsonObject = {},
): JsonObject => ({
  stage: null,
  layer: number,
  digest: `sha256:${String(number).repeat(64)}`,
  step: text,
  bytes,
  origin: 'built',
  state,
  ...more,
})

const CLEAN: JsonObject = {
  version: 1,
  verdict: 'clean',
  image: IMAGE,
  reasons: [],
  findings: [],
  unread: [],
  opaque: [{ kind: 'png', count: 12, bytes: 48_000 }],
  layers: [
    layer(1, '/bin/sh -c #(nop) ADD file:8f3e in / ', 118_000_000, 'proven', { origin: 'base' }),
    layer(2, 'RUN /bin/sh -c apt-get install -y python3 # buildkit', 64_000_000, 'clean', { origin: 'base' }),
    layer(3, 'RUN --mount=type=secret,id=API_KEY make install # buildkit', 21_400_000, 'clean'),
    layer(4, 'COPY app /app # buildkit', 730_000, 'clean'),
  ],
  steps: [
    {
      step: 'RUN --mount=type=secret,id=API_KEY make install',
      state: 'ran',
      why: 'changed',
      secrets: [{ name: 'API_KEY', version: '20156cea20156cea20156cea', live: true }],
    },
  ],
  guarded: ['API_KEY', 'DATABASE_URL'],
  tooShort: [],
  unguarded: ['LOG_LEVEL'],
  allow: [],
  bytes: 204_130_000,
  durationMs: 1_830,
}

const finding = (more: JsonObject): JsonObject => ({
  secret: 'API_KEY',
  form: 'raw',
  stage: null,
  layer: 3,
  step: 'RUN make install',
  path: 'usr/lib/python3/dist-packages/widget-1.0.dist-info/direct_url.json',
  inner: [],
  where: 'content',
  offset: 34,
  count: 1,
  inherited: false,
  allowed: false,
  ...more,
})

const LEAKY: JsonObject = {
  ...CLEAN,
  verdict: 'leak',
  reasons: ['API_KEY stands in layer 3.'],
  findings: [
    finding({}),
    finding({
      form: 'base64',
      path: 'root/.cache/pip/http/bundle.tar',
      inner: ['config', 'settings.json'],
      count: 3,
    }),
    finding({ form: 'raw', layer: null, path: 'history/4/created_by', where: 'document', offset: 12 }),
    finding({ stage: 'wheels', layer: 1, path: 'src/.git/config', offset: 201 }),
  ],
  unread: [
    {
      stage: null,
      layer: 4,
      path: 'app/models.7z',
      inner: [],
      why: 'Archives of its kind are recognised but not opened.',
      inherited: false,
    },
  ],
  layers: [
    layer(1, '/bin/sh -c #(nop) ADD file:8f3e in / ', 118_000_000, 'proven', { origin: 'base' }),
    layer(2, 'RUN /bin/sh -c apt-get install -y python3 # buildkit', 64_000_000, 'clean', { origin: 'base' }),
    layer(3, 'RUN --mount=type=secret,id=API_KEY make install # buildkit', 21_400_000, 'leak'),
    layer(4, 'COPY app /app # buildkit', 730_000, 'unread'),
    layer(1, 'RUN --mount=type=secret,id=API_KEY pip wheel # buildkit', 9_000_000, 'leak', {
      stage: 'wheels',
    }),
  ],
}

/** V2: a build on a server: what is sent, what comes back, and what happens when either breaks. */

import { setTimeout as pause } from 'node:timers/promises'
import { extract } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import type { BuilderEvent } from '../../src/builder/events.js'
import type { BuildRequest } from '../../src/builder/request.js'
import { Fault } from '../../src/errors.js'
import { remoteBuilder } from '../../src/remote/builder.js'
import { remoteBuilds } from '../../src/remote/builds.js'
import { SecretValue } from '../../src/secret.js'
import { givenValuePlace } from '../../src/store/given-value.js'
import { loadIdentity } from '../../src/store/identity.js'
import { createKeyPair, keyIdOf, open } from '../../src/store/seal.js'
import { temporaryFolder } from '../support/folder.js'
import { faultFrom, textOf } from '../support/store.js'
import type { PlayedBuild } from '../support/server-double.js'
import { serve, type Served } from './support.js'

const CANARY = 'ghp-canary_0123456789'
const IMAGE = `sha256:${'1'.repeat(64)}`
const REPORT = {
  version: 1,
  verdict: 'clean',
  image: IMAGE,
  reasons: [],
  findings: [],
  unread: [],
  opaque: [],
  layers: [],
  guarded: [],
  tooShort: [],
  unguarded: [],
  steps: [],
  allow: [],
  bytes: 10,
  durationMs: 5,
}

const FILE: BuildRequest = { dockerfile: { text: 'FROM scratch' }, tags: ['app:1'] }

const builderOf = (served: Served, recipients: readonly string[] | null = served.recipients) =>
  remoteBuilder({
    connection: served.connection,
    builds: remoteBuilds(served.connection),
    pins: async () => (recipients === null ? null : { storeId: served.store.id, recipients }),
  })

function succeed(build: PlayedBuild): void {
  build.events.push({ type: 'report', report: REPORT }, { type: 'built', image: IMAGE, tags: ['app:1'] })
  build.image = IMAGE
  build.report = REPORT
  build.state = 'succeeded'
}

async function filesOf(tar: Buffer): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  const reader = extract()
  reader.end(tar)
  for await (const entry of reader) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    files[entry.header.name] = Buffer.concat(chunks).toString()
  }
  return files
}

describe('V2: a build on a server', () => {
  it('V2: gives the events, the report and the result of a build here', async () => {
    await using served = await serve()
    served.double.play = async (build) => {
      build.events.push(
        { type: 'phase', phase: 'build' },
        { type: 'step', id: 's', name: 'RUN make', state: 'started' },
        {
          type: 'log',
          id: 's',
          stream: 'stdout',
          bytes: Buffer.from('hello\xff', 'latin1').toString('base64'),
        },
        { type: 'later', what: 'a newer server tells' },
      )
      succeed(build)
    }
    const events: BuilderEvent[] = []
    const result = await builderOf(served).build(FILE, { onEvent: (event) => void events.push(event) })
    expect(events.map(({ type }) => type)).toEqual(['phase', 'step', 'log', 'report', 'built'])
    expect(events[2]).toMatchObject({
      stream: 'stdout',
      bytes: Uint8Array.from(Buffer.from('hello\xff', 'latin1')),
    })
    expect(result).toEqual({
      id: served.double.builds[0]?.id,
      image: IMAGE,
      tags: ['app:1'],
      pushed: [],
      report: REPORT,
      delivery: undefined,
    })
  })

  it('V2: fails with the fault that ended the build', async () => {
    await using served = await serve()
    const fault = new Fault('LEAK_FOUND', 'The image holds the value of a secret.', {
      hint: 'Write it to no file.',
      detail: { places: ['A (raw) in layer 2'] },
    })
    served.double.play = async (build) => {
      build.outcome = fault
      build.state = 'refused'
    }
    const found = await faultFrom(builderOf(served).build(FILE), 'LEAK_FOUND')
    expect(found.toJSON()).toEqual(fault.toJSON())
  })

  it('V2: pushes, or gives the archive, as the request says', async () => {
    await using served = await serve()
    served.double.play = async (build) => {
      build.events.push({ type: 'pushed', reference: 'r/app:1', digest: IMAGE })
      build.output = Buffer.from('an archive')
      succeed(build)
    }
    const pushed = await builderOf(served).build({ ...FILE, push: true })
    expect(pushed?.pushed).toEqual([{ reference: 'r/app:1', digest: IMAGE }])
    let archive = ''
    await builderOf(served).build({
      ...FILE,
      async archive(bytes) {
        for await (const chunk of bytes) archive += Buffer.from(chunk).toString()
      },
    })
    expect(archive).toBe('an archive')
    expect(served.double.builds.map(({ submission }) => submission['output'])).toEqual([
      { type: 'push' },
      { type: 'oci' },
    ])
    expect(Object.keys(served.double.builds[0]?.submission['request'] as object)).toEqual([
      'tags',
      'dockerfile',
      'secrets',
    ])
  })

  it('V2: refuses what is wrong before anything is sent', async () => {
    await using served = await serve()
    const builder = builderOf(served)
    await faultFrom(builder.build({ dockerfile: { text: 'FROM scratch' } }), 'REQUEST_INVALID')
    await faultFrom(builder.build({ ...FILE, secrets: { token: null } }), 'REQUEST_INVALID')
    await faultFrom(builder.build({ ...FILE, dockerfile: { path: '/no/such/file' } }), 'REQUEST_INVALID')
    await faultFrom(
      builder.build({ requirements: ['x @ https://${A'], base: 'b', tags: ['app:1'] }),
      'REQUIREMENTS_INVALID',
    )
    expect(served.double.taken).toEqual([])
  })

  it('V2: sends the context without what .dockerignore names, and the Dockerfile as text', async () => {
    await using served = await serve()
    served.double.play = async (build) => succeed(build)
    await using folder = await temporaryFolder({
      Dockerfile: 'FROM scratch\nCOPY . .',
      '.dockerignore': 'node_modules\n*.log\n!keep.log',
      'src/main.py': 'print(1)',
      'node_modules/x/index.js': 'x',
      'a.log': 'a',
      'keep.log': 'k',
    })
    let uploaded = 0
    await builderOf(served).build(
      { dockerfile: { path: folder.file('Dockerfile') }, context: folder.path, tags: ['app:1'] },
      {
        onEvent: (event) => {
          if (event.type === 'upload') uploaded = event.bytes
        },
      },
    )
    const [build] = served.double.builds
    expect(Object.keys(await filesOf(build?.context ?? Buffer.alloc(0)))).toEqual([
      '.dockerignore',
      'Dockerfile',
      'keep.log',
      'src',
      'src/main.py',
    ])
    expect(uploaded).toBe(build?.context?.length)
    expect(build?.submission).toMatchObject({
      context: true,
      request: { dockerfile: { text: 'FROM scratch\nCOPY . .' }, tags: ['app:1'] },
    })
    expect(JSON.stringify(build?.submission)).not.toContain(folder.path)
  })

  it('V2: sends a requirement list with the lists it names, and what is copied', async () => {
    await using served = await serve()
    served.double.play = async (build) => succeed(build)
    await using folder = await temporaryFolder({
      'requirements.txt': '-r more.txt\nsix',
      'more.txt': 'w @ git+https://${GIT_TOKEN}@git.example.com/w.git',
      'app/main.py': 'print(1)',
      'private.pem': 'not for anybody',
    })
    await builderOf(served).build({
      requirements: { path: folder.file('requirements.txt') },
      base: 'traceless-base:bookworm',
      copy: [{ from: 'app', to: '/app' }],
      tags: ['app:1'],
    })
    const [build] = served.double.builds
    expect(Object.keys(await filesOf(build?.context ?? Buffer.alloc(0))).sort()).toEqual([
      'app',
      'app/main.py',
      'more.txt',
      'requirements.txt',
    ])
    expect(build?.submission['request']).toMatchObject({ requirements: { file: 'requirements.txt' } })
  })

  it('V2: refuses a list for a mount that is not in the context', async () => {
    await using served = await serve()
    await using folder = await temporaryFolder({ 'c/x': '1', 'list.txt': 'six' })
    const request = {
      ...FILE,
      context: folder.file('c'),
      secrets: { l: { requirements: folder.file('list.txt') } },
    }
    const fault = await faultFrom(builderOf(served).build(request), 'REQUEST_INVALID')
    expect(fault.message).toContain('not in the build context')
    expect(served.double.taken).toEqual([])
  })
})

describe('V2: values given at hand', () => {
  const withValue = (): BuildRequest => ({ ...FILE, secrets: { token: CANARY, stored: { name: 'A' } } })

  it('V2: are sealed to the pinned key before they are sent, for this submission alone', async () => {
    await using served = await serve()
    served.double.play = async (build) => succeed(build)
    await builderOf(served).build(withValue())
    const [build] = served.double.builds
    if (build === undefined) throw new Error('no build')
    for (const { url, headers, body } of served.double.taken) {
      const seen = url + JSON.stringify(headers) + body.toString('latin1')
      for (const form of ['latin1', 'base64', 'hex'] as const) {
        expect(seen).not.toContain(Buffer.from(CANARY).toString(form))
      }
    }
    const { request, values } = build.submission as {
      request: { secrets: object }
      values: { name: string; boxes: { keyId: string; box: string }[] }[]
    }
    expect(request.secrets).toEqual({ token: { value: 'token' }, stored: { name: 'A' } })
    expect(values.map(({ name, boxes }) => [name, boxes.map(({ keyId }) => keyId)])).toEqual([
      ['token', served.recipients],
    ])
    using identity = await loadIdentity(served.store.home, {})
    const [key] = identity?.keys ?? []
    if (key === undefined) throw new Error('no key')
    const box = Buffer.from(values[0]?.boxes[0]?.box ?? '', 'base64')
    const place = { store: served.store.id, environment: 'main', submission: build.key, name: 'token' }
    const value = await open(key, givenValuePlace(place), box)
    expect(value === null ? null : textOf(value)).toBe(CANARY)
    for (const other of [
      { ...place, submission: 'another-submission' },
      { ...place, environment: 'staging' },
      { ...place, name: 'other' },
    ]) {
      expect(await open(key, givenValuePlace(other), box)).toBeNull()
    }
  })

  it('V2: go to no key that is not pinned', async () => {
    await using served = await serve()
    const stranger = await createKeyPair()
    served.double.keys = [stranger.publicKey]
    const fault = await faultFrom(builderOf(served).build(withValue()), 'IDENTITY_INVALID')
    expect(fault.detail).toEqual({ pinned: served.recipients, found: [keyIdOf(stranger.publicKey)] })
    expect(served.double.builds).toEqual([])
  })

  it('V2: go nowhere when a stranger stands beside the pinned key', async () => {
    await using served = await serve()
    const stranger = await createKeyPair()
    const { storeKeys } = await import('../support/server-double.js')
    served.double.keys = [...(await storeKeys(served.store)), stranger.publicKey]
    await faultFrom(builderOf(served).build(withValue()), 'IDENTITY_INVALID')
    expect(served.double.builds).toEqual([])
  })

  it('V2: go nowhere without a pin, or to another store', async () => {
    await using served = await serve()
    await faultFrom(builderOf(served, null).build(withValue()), 'IDENTITY_INVALID')
    await faultFrom(builderOf(served, []).build(withValue()), 'IDENTITY_INVALID')
    const elsewhere = remoteBuilder({
      connection: served.connection,
      builds: remoteBuilds(served.connection),
      pins: async () => ({ storeId: '0'.repeat(32), recipients: served.recipients }),
    })
    await faultFrom(elsewhere.build(withValue()), 'IDENTITY_INVALID')
    expect(served.double.builds).toEqual([])
  })

  it('V2: need no pin where there are none', async () => {
    await using served = await serve()
    served.double.play = async (build) => succeed(build)
    await builderOf(served, null).build(FILE)
    expect(served.double.taken.map(({ url }) => url)).not.toContain('/v1/keys')
  })

  it('V2: stay the caller’s own', async () => {
    await using served = await serve()
    served.double.play = async (build) => succeed(build)
    const value = SecretValue.fromText(CANARY)
    await builderOf(served).build({ ...FILE, secrets: { token: value } })
    expect(textOf(value)).toBe(CANARY)
  })
})

describe('V2: when something breaks', () => {
  it('V2: submits once, however often the answer is lost', async () => {
    await using served = await serve()
    served.double.play = async (build) => succeed(build)
    let losses = 2
    served.double.before = (request, response) => {
      if (request.method !== 'POST' || request.url !== '/v1/builds' || losses === 0) return false
      losses -= 1
      // The first one is lost before it was read, the second one behind a proxy.
      if (losses === 1) response.destroy()
      else response.writeHead(502).end()
      return true
    }
    await builderOf(served).build({ ...FILE, secrets: { token: CANARY } })
    expect(served.double.builds).toHaveLength(1)
  })

  it('V2: goes on with the events where the connection broke, and loses and repeats none', async () => {
    await using served = await serve()
    const { double } = served
    const numbers = Array.from({ length: 6 }, (_, at) => `note ${String(at)}`)
    double.play = async (build) => {
      for (const text of numbers) build.events.push({ type: 'note', text })
      succeed(build)
    }
    const resumed: string[] = []
    double.before = (request, response) => {
      if (request.url?.endsWith('/events') !== true) return false
      const after = Number(request.headers['last-event-id'] ?? 0)
      resumed.push(String(after))
      if (after >= 4) return false
      // Two whole events and a half one, then the line is dead.
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const told = numbers.slice(after, after + 2)
      const text = told.map(
        (note, at) => `id: ${String(after + at + 1)}\ndata: {"type":"note","text":"${note}"}\n\n`,
      )
      response.write(`${text.join('')}id: ${String(after + 3)}\ndata: {"type":"no`, () => response.destroy())
      return true
    }
    const notes: string[] = []
    await builderOf(served).build(FILE, {
      onEvent: (event) => {
        if (event.type === 'note') notes.push(event.text)
      },
    })
    expect(notes.filter((text) => text.startsWith('note'))).toEqual(numbers)
    expect(resumed).toEqual(['0', '2', '4'])
    expect(notes).toContain('The connection to the server was lost; it is made anew.')
  })

  it('V2: makes a silent connection anew', async () => {
    await using served = await serve()
    const { double, connection } = served
    let silences = 1
    double.before = (request, response) => {
      if (request.url?.endsWith('/events') !== true || silences === 0) return false
      silences -= 1
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(': here\n\n')
      return true
    }
    double.play = async (build) => succeed(build)
    const builds = remoteBuilds(connection)
    const { id } = await builds.submit(
      { environment: 'main', request: {}, output: { type: 'oci' }, values: [], context: false },
      'a-key-of-sixteen-characters',
    )
    const watched = builds.watch(id, { silenceMs: 100 })
    for (;;) {
      const next = await watched.next()
      if (next.done === true) {
        expect(next.value.state).toBe('succeeded')
        return
      }
    }
  })

  it('V2: gives up on a server that stays away, and does not on one that says no', async () => {
    await using served = await serve()
    const builds = remoteBuilds(served.connection)
    served.double.before = (_, response) => {
      response.destroy()
      return true
    }
    await faultFrom(builds.watch('x', { patienceMs: 300 }).next(), 'SERVER_UNREACHABLE')
    served.double.before = () => false
    await faultFrom(builds.watch('x', { patienceMs: 60_000 }).next(), 'REQUEST_INVALID')
  })

  it('V2: Ctrl-C cancels the build on the server', async () => {
    await using served = await serve()
    const stop = new AbortController()
    served.double.play = async (build) => {
      build.events.push({ type: 'phase', phase: 'build' })
    }
    const reason = new Fault('CANCELLED', 'The command was cancelled.')
    const building = builderOf(served).build(FILE, { onEvent: () => stop.abort(reason), signal: stop.signal })
    await expect(building).rejects.toBe(reason)
    expect(served.double.builds[0]?.state).toBe('cancelled')
  })

  it('V2: Ctrl-C during the upload cancels it too', async () => {
    await using served = await serve()
    await using folder = await temporaryFolder({ 'a.bin': Buffer.alloc(8 << 20, 7) })
    const stop = new AbortController()
    const building = builderOf(served).build(
      { ...FILE, context: folder.path },
      {
        onEvent: (event) => event.type === 'upload' && stop.abort(new Fault('CANCELLED', 'x')),
        signal: stop.signal,
      },
    )
    await faultFrom(building, 'CANCELLED')
    expect(served.double.builds[0]?.state).toBe('cancelled')
  })

  it('V2: a file that cannot be read ends the upload and the build', async () => {
    await using served = await serve()
    await using folder = await temporaryFolder({ 'list.txt': 'six' })
    const request = {
      requirements: { path: folder.file('list.txt') },
      base: 'b',
      copy: [{ from: 'not-there', to: '/x' }],
      tags: ['app:1'],
    }
    const fault = await faultFrom(builderOf(served).build(request), 'REQUEST_INVALID')
    expect(fault.message).toContain('not-there')
    expect(served.double.builds[0]?.state).toBe('cancelled')
  })

  it('V2: says when an archive did not come whole', async () => {
    await using served = await serve()
    served.double.before = (request, response) => {
      if (request.url?.endsWith('/output') !== true) return false
      response.writeHead(200, { 'content-type': 'application/x-tar' })
      response.write(Buffer.alloc(1000), () => void pause(20).then(() => response.destroy()))
      return true
    }
    const drain = async (): Promise<void> => {
      for await (const _ of await remoteBuilds(served.connection).output('x'));
    }
    await faultFrom(drain(), 'SERVER_UNREACHABLE')
  })
})

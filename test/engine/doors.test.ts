/** B9: every door to an engine's BuildKit serves a whole build, and engines are found wherever Docker finds them. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBuilder } from '../../src/builder/build.js'
import { openEngine } from '../../src/docker/docker-engine.js'
import { doorFor, type Door } from '../../src/docker/transport.js'
import { faultOf, resultOf, startBuilds, type Builds } from '../support/builds.js'
import { engineHost, runIn } from '../support/engine.js'
import { randomToken } from '../support/tokens.js'

let builds: Builds
const token = randomToken()
beforeAll(async () => {
  builds = await startBuilds()
  await builds.set({ API_KEY: token })
})
afterAll(() => builds[Symbol.asyncDispose]())

describe('B9: doors to BuildKit', () => {
  it('B9: the API version chooses one', () => {
    expect(['1.9', '1.41', '1.52', '1.53', '1.55'].map(doorFor)).toEqual([
      'hijack',
      'hijack',
      'hijack',
      'http2',
      'http2',
    ])
  })

  it.for<Door>(['hijack', 'control-hijack'])(
    'B9: %s gives the secret, the context and the proof',
    async (door) => {
      const engine = await openEngine(engineHost(), { door })
      const builder = createBuilder({
        secrets: builds.store.reader,
        usage: builds.store.usage,
        verdicts: builds.store.verdicts,
        retired: builds.store.retired,
        engine: async () => engine,
        credentials: async () => null,
      })
      try {
        const tag = builds.image()
        const text = (command: string): string =>
          `FROM traceless-base:tiny\nRUN --mount=type=secret,id=API_KEY ${command} # ${door}\n`
        const built = await builds.buildWith(builder, {
          dockerfile: { text: text('wc -c < /run/secrets/API_KEY > /length; sleep 3') },
          tags: [tag],
        })
        expect(resultOf(built).report.verdict).toBe('clean')
        expect((await runIn(tag, 'echo "length $(cat /length)"')).output.trim()).toBe('length 51')
        const leaky = await builds.buildWith(builder, {
          dockerfile: { text: text('cp /run/secrets/API_KEY /kept') },
          tags: [builds.image()],
        })
        faultOf(leaky, 'LEAK_FOUND')
        expect(await builds.traces([token])).toEqual([])
      } finally {
        engine.close()
      }
    },
  )
})

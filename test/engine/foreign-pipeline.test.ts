import { expect, it } from 'vitest'
import { buildElsewhere } from '../../examples/foreign-pipeline.js'
import { SecretValue } from '../../src/index.js'
import { openDocker } from '../support/engine.js'
import { randomToken } from '../support/tokens.js'

it('the plugin surface serves secrets to a build of someone else, and proves its image', async () => {
  const token = randomToken('foreign')
  const log: string[] = []
  using value = SecretValue.fromText(token)
  const { image, report } = await buildElsewhere('traceless-base:tiny', value, (text) => log.push(text))
  try {
    expect(report).toMatchObject({ verdict: 'clean', guarded: ['TOKEN'], findings: [] })
    expect(log.join('')).not.toContain(token)
  } finally {
    await openDocker().getImage(image).remove({ force: true })
  }
})

/** Commits are the word of what was installed: what does not look like one is left out. */

import { describe, expect, it } from 'vitest'
import { readCommits } from '../../src/builder/commits.js'
import type { AssembledBuild } from '../../src/builder/prepared.js'

const commit = 'a'.repeat(40)
const good = { name: 'widget', url: 'https://h/o/widget.git', commit }

const read = (text: string | null) =>
  readCommits(
    { readFile: async () => (text === null ? null : Buffer.from(text)) },
    { images: ['sha256:1', 'sha256:2'] },
    {
      assembled: { targets: ['image', 'commits'], commitsStage: 'commits' } as unknown as AssembledBuild,
      wording: (words) => words.replaceAll('token', '***'),
    },
  )

describe('the commits of an image', () => {
  it.for<[text: string | null, count: number]>([
    [JSON.stringify([good]), 1],
    [JSON.stringify([good, { ...good, commit: `${commit}; rm` }]), 1],
    [JSON.stringify([{ ...good, name: 'a\u001b[31m' }]), 0],
    [JSON.stringify([{ ...good, url: 'file:///etc/passwd' }]), 0],
    [JSON.stringify([{ ...good, url: `https://h/${'x'.repeat(3000)}` }]), 0],
    [JSON.stringify([null, 1, 'x', {}]), 0],
    [JSON.stringify(good), 0],
    ['[', 0],
    [null, 0],
  ])('%#', async ([text, count]) => {
    expect(await read(text)).toHaveLength(count)
  })

  it('are redacted like all words of others, and nothing else of them is shown', async () => {
    const rows = await read(JSON.stringify([{ ...good, url: 'https://token@h/a.git', more: 'x' }]))
    expect(rows).toEqual([{ name: 'widget', url: 'https://***@h/a.git', commit }])
  })
})

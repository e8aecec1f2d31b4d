/** Archives with members of their own: Debian packages, git packs, and where their bytes are kept. */

import { execFileSync } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, it } from 'vitest'
import { hold, stretch } from '../../../src/leak/archive/hold.js'
import { openFiles } from '../../support/open-files.js'
import { gitPackOf } from '../support/packed.js'
import { layer, placeOf, places, scanFor, VALUE } from '../support/scan.js'
import { inPieces } from '../../support/pieces.js'
import { tarOf } from '../support/tar.js'

const scanFile = (content: Uint8Array): ReturnType<typeof scanFor> =>
  scanFor(layer(tarOf({ name: 'f', content }), 700))

describe('a Debian package', () => {
  const member = (name: string, content: Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.from(`${name.padEnd(16)}${'0'.padEnd(32)}${String(content.length).padEnd(10)}\`\n`),
      content,
      Buffer.alloc(content.length % 2, '\n'),
    ])
  const deb = (...members: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.from('!<arch>\n'), member('debian-binary', Buffer.from('2.0\n')), ...members])
  const data = gzipSync(tarOf({ name: './etc/conf', content: VALUE }))

  it('has members of odd length', async () => {
    const result = await scanFile(deb(member('odd', Buffer.from('odd')), member('data.tar.gz/', data)))
    expect(places(result)).toEqual(['content f > data.tar.gz > ./etc/conf'])
    expect(result.unread).toEqual([])
  })

  it.for<[what: string, bytes: Buffer, why: string]>([
    ['cut in a member', deb(member('data', data)).subarray(0, -20), 'truncated'],
    ['with half a header behind it', Buffer.concat([deb(), Buffer.from('half a header')]), 'trailing-data'],
    ['with something else for a header', Buffer.concat([deb(), Buffer.alloc(60, 'x')]), 'damaged'],
  ])('%s is told', async ([, bytes, why]) => {
    const { unread } = await scanFile(bytes)
    expect(unread.filter(({ inner }) => inner === undefined).map(({ why: reason }) => reason)).toEqual([why])
  })
})

describe('a git pack', () => {
  it('has differences, which are opaque and yet searched', async () => {
    const common = Array.from({ length: 400 }, (_, at) => `line ${at} of what both have in common\n`).join('')
    const script = `d=$(mktemp -d) && cd $d && git init -q . && cat > one && { cat one; echo ${VALUE}; } > two &&
      git hash-object -w one two | git pack-objects -q --stdout; rm -r $d`
    const pack = execFileSync('sh', ['-c', script], { input: common })
    const result = await scanFile(pack)
    expect(result.opaque).toEqual([{ kind: 'git-delta', count: 1, bytes: expect.any(Number) as number }])
    expect(result.unread).toEqual([])
    expect(result.findings.map(placeOf)).toContainEqual(
      expect.stringMatching(/^content f > (?:blob|git-delta) at \d+$/),
    )
  })

  it('with an object that is not whole is told, and the pack with it', async () => {
    const pack = gitPackOf(Buffer.from(VALUE))
    const damaged = Buffer.concat([pack.subarray(0, 14), Buffer.alloc(40, 0xff)])
    const { unread } = await scanFile(damaged)
    expect(unread.map((row) => [row.why, row.inner])).toEqual([
      ['damaged', ['blob at 12']],
      ['damaged', undefined],
    ])
  })
})

describe('hold', () => {
  const bytes = Uint8Array.from({ length: 200_000 }, (_, at) => at % 251)
  // Tests of other files run in this process, and what they opened is closed when it is.
  let others: ReadonlySet<string>
  beforeEach(() => {
    others = new Set(openFiles())
  })
  const unlinked = (): readonly string[] =>
    openFiles().filter((path) => /traceless-.*\(deleted\)/.test(path) && !others.has(path))

  it.for([
    ['memory', 1e6],
    ['a file', 1000],
    ['a file from the first byte on', 0],
  ] as const)('reads from %s', async ([, heldBytes]) => {
    {
      await using held = await hold(inPieces(bytes, 999), { heldBytes, memberBytes: 1e6 })
      expect(held.size).toBe(bytes.length)
      expect(unlinked()).toHaveLength(heldBytes === 1e6 ? 0 : 1)
      for (const [from, to] of [
        [0, 10],
        [990, 1010],
        [199_990, 200_010],
        [200_000, 200_001],
        [5, 5],
      ] as const) {
        expect([...(await held.read(from, to))]).toEqual([...bytes.subarray(from, to)])
      }
      const pieces: Uint8Array[] = []
      for await (const piece of stretch(held, 100, 199_000)) pieces.push(piece)
      expect(Buffer.concat(pieces).equals(bytes.subarray(100, 199_000))).toBe(true)
    }
    expect(unlinked()).toEqual([])
  })

  it('refuses what is too large, and keeps nothing of it', async () => {
    await expect(hold(inPieces(bytes, 999), { heldBytes: 10, memberBytes: 5000 })).rejects.toMatchObject({
      why: 'too-large',
    })
    expect(unlinked()).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { Lead } from '../../src/leak/lead.js'
import { Matcher } from '../../src/leak/match.js'
import { needlesFor } from '../../src/leak/needles.js'
import { leadBytes, Pass } from '../../src/leak/pass.js'
import { VALUE } from './support/scan.js'
import { inPieces } from '../support/pieces.js'

const needles = needlesFor([{ name: 'TOKEN', value: Buffer.from(VALUE) }])
const newPass = (lead = 0): Pass => new Pass({ matcher: new Matcher(needles), lead: new Lead(lead) })

describe('Pass', () => {
  it('hands over what starts before an offset, the lowest first, once', () => {
    const pass = newPass()
    pass.push(Buffer.from(`..${VALUE}.${VALUE}`))
    pass.end()
    const second = 3 + VALUE.length
    const starts = (end: number): readonly number[] => [
      ...new Set([...pass.before(end)].map(({ start }) => start)),
    ]
    expect(pass.next).toBe(2)
    expect(starts(2)).toEqual([])
    expect(starts(3)).toEqual([2])
    expect(starts(3)).toEqual([])
    expect(pass.next).toBe(second)
    expect(starts(Infinity)).toEqual([second])
    expect(pass.next).toBe(Infinity)
  })

  it('searches further than it passes on, and to the end', async () => {
    const pass = newPass(10)
    const bytes = Buffer.from(`${'.'.repeat(50)}${VALUE}`)
    const passed: number[] = []
    let out = 0
    for await (const chunk of pass.ahead(inPieces(bytes, 4))) {
      expect(pass.bytes - out).toBeGreaterThanOrEqual(Math.min(10, bytes.length - out))
      out += chunk.length
      passed.push(...chunk)
    }
    expect(Buffer.from(passed)).toEqual(bytes)
    expect(pass.next).toBe(50)
  })

  it('searches for what only the end of the stream can settle', async () => {
    const pass = newPass(10)
    // What `xxd -p` writes: whether the last line is whole shows when nothing follows it.
    const lines = (
      Buffer.from(VALUE)
        .toString('hex')
        .match(/.{1,24}/g) ?? []
    ).join('\n')
    for await (const _ of pass.ahead(inPieces(Buffer.from(lines), 4)));
    expect(pass.next).toBe(0)
  })

  it('knows of a needle before the place of its beginning is passed', () => {
    const longest = Math.max(...needles.needles.map(({ bytes }) => bytes.length))
    expect(leadBytes(needles)).toBeGreaterThanOrEqual(longest)
  })
})

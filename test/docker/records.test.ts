import { describe, expect, it } from 'vitest'
import { withDescendants } from '../../src/docker/records.js'

describe('withDescendants', () => {
  const record = (id: string, parent: string, description: string) => ({
    id,
    parent,
    parents: [],
    description,
  })
  const records = [
    record('a', '', 'pulled'),
    record('b', 'a', 'mount / from exec leak'),
    record('c', 'b', 'later'),
    record('d', 'a', 'other'),
    { ...record('e', '', 'merged'), parents: ['c', 'd'] },
  ]
  it('takes what matches and everything below it', () => {
    expect([...withDescendants(records, ({ description }) => description.includes('leak'))].sort()).toEqual([
      'b',
      'c',
      'e',
    ])
  })
  it('ends on a circle', () => {
    const circle = [record('x', 'y', 'leak'), record('y', 'x', '')]
    expect([...withDescendants(circle, ({ description }) => description === 'leak')].sort()).toEqual([
      'x',
      'y',
    ])
  })
})

import { describe, expect, it } from 'vitest'
import { ByteProgress } from '../../src/cli/byte-progress.js'

/** A clock that moves when it is told to. */
function clocked(): { progress: ByteProgress; wait: (ms: number) => void } {
  let at = 0
  return { progress: new ByteProgress(() => at), wait: (ms) => void (at += ms) }
}

describe('L4: ByteProgress', () => {
  it('shows a bar, bytes and the rate where the end is known', () => {
    const { progress, wait } = clocked()
    expect(progress.line(0, 8_000_000)).toBe('░░░░░░░░░░░░░░░░░░░░   0 %  0 B of 8.0 MB')
    wait(500)
    expect(progress.line(2_000_000, 8_000_000)).toBe('█████░░░░░░░░░░░░░░░  25 %  2.0 MB of 8.0 MB, 4.0 MB/s')
    wait(500)
    expect(progress.line(8_000_000, 8_000_000)).toBe('████████████████████ 100 %  8.0 MB of 8.0 MB, 8.0 MB/s')
  })

  it('shows bytes and the rate where it is not', () => {
    const { progress, wait } = clocked()
    expect(progress.line(1_000_000, undefined)).toBe('1.0 MB')
    wait(1000)
    expect(progress.line(3_000_000, undefined)).toBe('3.0 MB, 2.0 MB/s')
  })

  it('shows ten lines a second at most, and the last one always', () => {
    const { progress, wait } = clocked()
    const lines: (string | undefined)[] = []
    for (let ms = 0; ms < 1000; ms += 1) {
      lines.push(progress.line(ms, 1000))
      wait(1)
    }
    expect(lines.filter((line) => line !== undefined)).toHaveLength(10)
    expect(progress.line(1000, 1000)).toContain('100 %')
  })

  it('takes the rate of the last seconds, and begins anew with a smaller number', () => {
    const { progress, wait } = clocked()
    progress.line(0, undefined)
    wait(10_000)
    progress.line(1_000_000, undefined)
    wait(1000)
    expect(progress.line(6_000_000, undefined)).toBe('6.0 MB, 5.0 MB/s')
    wait(1000)
    expect(progress.line(10, undefined)).toBe('10 B')
  })
})

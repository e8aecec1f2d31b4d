import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { buildKernel, moduleSource } from '../../scripts/kernel/build.js'
import { rarestWindows } from '../../src/leak/rarity.js'
import { MODE } from '../../src/leak/view.js'
import { wasmKernel } from '../../src/leak/wasm-kernel.js'

describe('the module', () => {
  it('is what its source builds', () => {
    const committed = readFileSync(resolve(import.meta.dirname, '../../src/leak/kernel/module.ts'), 'utf8')
    expect(committed).toBe(moduleSource(buildKernel()))
  })

  it('runs on any Node that we support', () => {
    expect(wasmKernel([], 64)).toBeDefined()
  })

  it('keeps nothing of patterns and text after it was disposed', () => {
    const kernel = wasmKernel([Buffer.from('a-pattern-of-the-kernel')], 1024)
    if (kernel === undefined) throw new TypeError('this engine does not run the kernel')
    const memory = new Uint8Array(kernel.text.buffer)
    const holds = (text: string): boolean => Buffer.from(memory).includes(text)
    kernel.viewer(MODE.text).take(Buffer.from('what\x1b[1m is viewed'), true)
    expect([holds('what\x1b[1m is viewed'), holds('what is viewed')]).toEqual([true, true])
    kernel.text.set(Buffer.from('a text with a value'), kernel.text.length - 19)
    expect([holds('a-pattern'), holds('a text with')]).toEqual([true, true])
    kernel[Symbol.dispose]()
    expect(memory.every((byte) => byte === 0)).toBe(true)
  })
})

describe('the rarest part of a pattern', () => {
  const windowOf = (pattern: string, others: readonly string[] = []): string => {
    const patterns = [pattern, ...others].map((text) => Buffer.from(text))
    const [at = 0] = rarestWindows(patterns, { stride: 4, gramBytes: 4 })
    return pattern.slice(at, at + 7)
  }

  it('is not what any log has', () => {
    expect(windowOf('https://www.Xq7~Zk9^Wv')).not.toContain('http')
    expect(windowOf('Xq7~Zk9^Wv the information')).toMatch(/^[Xq7~Zk9^Wv]+$/)
  })

  it('is not what all patterns have', () => {
    const others = Array.from({ length: 200 }, (_, number) => `Zq~^X7k-${number}-tail`)
    expect(windowOf('Zq~^X7k-common words', others)).not.toMatch(/Zq~\^/)
  })

  it('is the whole of a pattern that has no choice', () => {
    expect(rarestWindows([Buffer.from('abcdefg')], { stride: 4, gramBytes: 4 })).toEqual([0])
  })
})

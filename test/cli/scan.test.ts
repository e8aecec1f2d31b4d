/** The command `scan`, on files and standard input. */

import { createHash, createHmac } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Report } from '../../src/builder/report.js'
import { tarOf } from '../leak/support/tar.js'
import { digestOf, imageArchive } from '../support/image-archives.js'
import { openShell, type Shell } from './support.js'

const TOKEN = 'tr4celess-test-token'
const LAYERS = [1, 2].map((number) =>
  tarOf({ name: `etc/${String(number)}`, content: `nothing ${String(number)}\n`.repeat(9000) }),
)
const ARCHIVE = imageArchive('docker', { layers: LAYERS, packing: 'gz' })

/** What a scan says of each layer, and how much it searched. */
async function scan(
  shell: Shell,
  words: readonly string[],
): Promise<{ states: readonly string[]; bytes: number; guarded: readonly string[] }> {
  const report = (await shell.json('scan', ...words)) as Report
  return { states: report.layers.map(({ state }) => state), bytes: report.bytes, guarded: report.guarded }
}

describe('L7: scan', () => {
  it('reads no layer twice for the values of a store, and a new one is searched for by itself', async () => {
    await using shell = await openShell()
    await shell.run(['secrets', 'set', 'A=-', '--env', 'staging'], { stdin: [TOKEN] })
    const file = await shell.file('x.tar', ARCHIVE)
    const words = [file, '--env', 'staging']
    const cold = await scan(shell, words)
    expect(cold.states).toEqual(['clean', 'clean'])
    expect(cold.bytes).toBeGreaterThan(180_000)
    const warm = await scan(shell, words)
    expect(warm.states).toEqual(['proven', 'proven'])
    expect(warm.bytes).toBeLessThan(20_000)

    await shell.run(['secrets', 'set', 'B=-', '--env', 'staging'], { stdin: ['another-test-token'] })
    expect((await scan(shell, words)).states).toEqual(['clean', 'clean'])
    expect(await scan(shell, words)).toMatchObject({ states: ['proven', 'proven'], guarded: ['A', 'B'] })
    // A changed value is another value.
    await shell.run(['secrets', 'set', 'A=-', '--env', 'staging'], { stdin: ['a-changed-test-token'] })
    expect((await scan(shell, words)).states).toEqual(['clean', 'clean'])
  })

  it('keeps verdicts on values of a file where a store is at hand, and opens none for a file alone', async () => {
    await using shell = await openShell()
    const file = await shell.file('x.tar', ARCHIVE)
    const dotenv = await shell.file('secrets.env', `A=${TOKEN}\n`)
    for (let round = 0; round < 2; round += 1) {
      expect((await scan(shell, [file, '--dotenv', dotenv])).states).toEqual(['clean', 'clean'])
    }
    expect(existsSync(join(shell.folder, 'home'))).toBe(false)
    const both = [file, '--dotenv', dotenv, '--env', 'main']
    expect((await scan(shell, both)).states).toEqual(['clean', 'clean'])
    expect((await scan(shell, both)).states).toEqual(['proven', 'proven'])
  })

  it('leaves nothing in the store that tells of values or layers', async () => {
    await using shell = await openShell()
    await shell.run(['secrets', 'set', 'A=-'], { stdin: [TOKEN] })
    await scan(shell, [await shell.file('x.tar', ARCHIVE), '--env', 'main'])
    const home = join(shell.folder, 'home')
    const files = await readdir(home, { withFileTypes: true })
    const names = files
      .filter((entry) => entry.isFile() && !entry.name.startsWith('identity'))
      .map(({ name }) => name)
    // The driver takes the database's companions away whenever its statements are collected.
    const gone = (error: NodeJS.ErrnoException): Buffer => {
      if (error.code !== 'ENOENT') throw error
      return Buffer.alloc(0)
    }
    const bytes = await Promise.all(names.map((name) => readFile(join(home, name)).catch(gone)))
    const kept = Buffer.concat(bytes).toString('latin1')
    const packedDigests = [...ARCHIVE.toString('latin1').matchAll(/blobs\/sha256\/([0-9a-f]{64})/g)]
    const guesses = [
      TOKEN,
      Buffer.from(TOKEN).toString('base64'),
      Buffer.from(TOKEN).toString('hex'),
      ...LAYERS.map((layer) => digestOf(layer).slice(7)),
      ...packedDigests.map(([, hex = '']) => hex),
      // What somebody would try who has the rows and guesses the value.
      createHash('sha256').update(TOKEN).digest('hex'),
      ...LAYERS.map((layer) => createHmac('sha256', digestOf(layer)).update(TOKEN).digest('hex')),
      ...LAYERS.map((layer) => createHmac('sha256', TOKEN).update(digestOf(layer)).digest('hex')),
    ]
    expect(packedDigests.length).toBeGreaterThan(2)
    for (const guess of guesses) expect(kept.includes(guess)).toBe(false)
    // They are there: one key for each layer and value, by either of its digests.
    expect(new Set(kept.match(/[0-9a-f]{64}/g)).size).toBeGreaterThanOrEqual(4)
  })
})

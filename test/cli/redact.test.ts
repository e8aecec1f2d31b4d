/** `traceless redact`, the filter. Rows as in the feature table. */

import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { openShell } from './support.js'

const VALUE = 'hunter2-canary'

describe('B6: redact', () => {
  it('B6: masks the secrets of an environment and passes everything else', async () => {
    await using shell = await openShell()
    await shell.run(['secrets', 'set', `A=${VALUE}`])
    await shell.run(['secrets', 'set', 'OTHER=of-staging', '-e', 'st'])
    const encoded = Buffer.from(VALUE).toString('base64')
    const ran = await shell.run(['redact'], {
      stdin: [
        `one ${VALUE.slice(0, 5)}`,
        `${VALUE.slice(5)} two\n\u001b[1m`,
        `${encoded}\u001b[0m of-staging`,
      ],
    })
    expect(ran.status).toBe(0)
    expect(ran.out).toMatch(/^one \*\*\* two\n\u001b\[1m\*\*\*.*\u001b\[0m of-staging$/s)
    expect(ran.out).not.toContain(encoded.slice(0, 12))
    expect((await shell.run(['redact', '-e', 'st'], { stdin: ['of-staging'] })).out).toBe('***')
  })

  it('B6: masks those of a group and of a file', async () => {
    await using shell = await openShell()
    await shell.run(['groups', 'create', 'npm', `A=${VALUE}`])
    const file = await shell.file('.env', 'B=from-the-file')
    const log = `${VALUE} from-the-file`
    expect((await shell.run(['redact', '--group', 'npm'], { stdin: [log] })).out).toBe('*** from-the-file')
    expect((await shell.run(['redact', '--dotenv', file], { stdin: [log] })).out).toBe(`${VALUE} ***`)
    expect((await shell.run(['redact', '--dotenv', file, '-g', 'npm'], { stdin: [log] })).out).toBe('*** ***')
  })

  it('B6: tells which secret it was on request', async () => {
    await using shell = await openShell()
    await shell.run(['secrets', 'set', `A=${VALUE}`])
    expect((await shell.run(['redact', '--names'], { stdin: [VALUE] })).out).toBe('***(A)')
  })

  it('B6: names what is too short, and leaves plain configuration as it is', async () => {
    await using shell = await openShell()
    await shell.run(['secrets', 'set', 'SHORT=abc'])
    await shell.run(['secrets', 'set', 'STAGE=production', '--unguarded'])
    const ran = await shell.run(['redact'], { stdin: ['abc production'] })
    expect(ran).toEqual({ status: 0, out: 'abc production', err: 'note: too short to be masked: SHORT\n' })
  })

  it('B6: lets a clean line out before the next one comes', async () => {
    await using shell = await openShell()
    await shell.run(['secrets', 'set', `A=${VALUE}`])
    const order: string[] = []
    async function* lines(): AsyncGenerator<Uint8Array> {
      for (const line of ['one\n', 'two\n']) {
        order.push(`in ${line}`)
        yield Buffer.from(line)
      }
    }
    await shell.run(['redact'], {
      stdin: lines(),
      onOut: (bytes) => order.push(`out ${Buffer.from(bytes).toString()}`),
    })
    expect(order).toEqual(['in one\n', 'out one\n', 'in two\n', 'out two\n'])
  })

  it('B6: shows what it holds back when it is told to end', async () => {
    await using shell = await openShell()
    await shell.run(['secrets', 'set', `A=${VALUE}`])
    const stop = new AbortController()
    async function* log(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`${VALUE} and ${VALUE.slice(0, 3)}`)
      stop.abort(new Fault('CANCELLED', 'The command was cancelled.'))
      throw new Error('the stream was taken away')
    }
    const ran = await shell.run(['redact'], { stdin: log(), signal: stop.signal })
    expect(ran.status).toBe(130)
    expect(ran.out).toBe(`*** and ${VALUE.slice(0, 3)}`)
  })

  it('B6: does not take the log for the secrets', async () => {
    await using shell = await openShell()
    expect((await shell.run(['redact', '--dotenv', '-'], { stdin: [`A=${VALUE}`] })).status).toBe(2)
  })
})

/** X2: how files are asked for, and what goes into them. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { publishedPort } from '../../src/runner/request.js'
import { configuredFiles, fileContents, fileProblems, secretFile } from '../../src/runner/secret-file.js'
import { secretName, SecretValue, type SecretSet } from '../../src/secret.js'

describe('X2 --secret-file', () => {
  it.for([
    { text: 'KEY:/etc/key', path: '/etc/key', mode: 0o400 },
    { text: 'KEY:/etc/key:0440', path: '/etc/key', mode: 0o440 },
    { text: 'KEY:/etc/key:644', path: '/etc/key', mode: 0o644 },
    { text: 'KEY:/a:b', path: '/a:b', mode: 0o400 },
    { text: 'KEY:/a:b:0600', path: '/a:b', mode: 0o600 },
    { text: 'KEY:/a:888', path: '/a:888', mode: 0o400 },
    { text: 'KEY:/a:04000', path: '/a:04000', mode: 0o400 },
    { text: 'KEY:/with space', path: '/with space', mode: 0o400 },
  ])('reads $text', ({ text, path, mode }) => {
    expect(secretFile(text)).toEqual({ name: 'KEY', path, mode, base64: false })
  })

  it.for([
    'KEY',
    'KEY:',
    ':/etc/key',
    'KEY:etc/key',
    'KEY:/',
    'KEY:/etc/',
    'KEY:/a/../b',
    'KEY:/a//b',
    '9:/a',
    'KEY:0440',
    '/a:/b',
  ])('refuses %s without repeating it', (text) => {
    const attempt = (): unknown => secretFile(text)
    expect(attempt).toThrow(Fault)
    expect(attempt).not.toThrow(text)
  })
})

describe('X2 traceless.toml', () => {
  const problems = (text: string): string[] => {
    try {
      configuredFiles(text, 'traceless.toml')
      return []
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return error.problems.map(({ message, hint, line }) => [line, message, hint].filter(Boolean).join(' '))
    }
  }

  it('reads files', () => {
    const text = `
      [[files]]
      guest_path = "/etc/app/key.pem"
      secret_name = "KEY"
      base64 = true
      mode = "0440"

      [[files]]
      guest_path = "/c"
      secret_name = "CERT"`
    expect(configuredFiles(text, 'f')).toEqual([
      { name: 'KEY', path: '/etc/app/key.pem', mode: 0o440, base64: true },
      { name: 'CERT', path: '/c', mode: 0o400, base64: false },
    ])
    expect(configuredFiles('', 'f')).toEqual([])
  })

  it('says everything that is wrong at once', () => {
    const text = `
      [[files]]
      guest_pat = "/etc/key"
      secret_name = "not a name"
      base64 = "yes"
      mode = 0o440
      [[files]]
      guest_path = "/c"
      secret_name = "CERT"
      mode = "9999"
      [file]`
    expect(problems(text)).toMatchInlineSnapshot(`
      [
        "The file has a table that is not known. Did you mean files?",
        "[[files]] number 1: a key is not known. Did you mean guest_path?",
        "[[files]] number 1: guest_path is not the absolute path of a file.",
        "[[files]] number 1: secret_name is not the name of a secret.",
        "[[files]] number 1: base64 is neither true nor false.",
        "[[files]] number 1: mode is not text such as "0440".",
        "[[files]] number 2: mode is not text such as "0440".",
      ]
    `)
  })

  it.for([
    { text: 'files = 1', found: ['"files" is not a list of tables. Write [[files]] above each.'] },
    { text: '[files]\na = 1', found: ['"files" is not a list of tables. Write [[files]] above each.'] },
    { text: '[[files]', found: ['1 The file is not valid TOML.'] },
    { text: 'a = 1\nb = ', found: ['2 The file is not valid TOML.'] },
  ])('refuses $text', ({ text, found }) => {
    expect(problems(text)).toEqual(found)
  })
})

describe('X2 files together', () => {
  const messages = (texts: readonly string[], volumes: readonly string[] = []): string[] =>
    fileProblems(texts.map(secretFile), volumes).map(({ message }) => message)

  it.for([
    { texts: ['A:/x', 'B:/x'], volumes: [], message: 'The file of B has the path of another one.' },
    { texts: ['A:/proc/x'], volumes: [], message: 'The file of A would stand in a folder of the system.' },
    { texts: ['A:/dev/shm/x'], volumes: [], message: 'The file of A would stand in a folder of the system.' },
    { texts: ['A:/sys'], volumes: [], message: 'The file of A would stand in a folder of the system.' },
    { texts: ['A:/data/x'], volumes: ['/data'], message: 'The file of A would stand in a volume.' },
    { texts: ['A:/data'], volumes: ['/data'], message: 'The file of A would stand in a volume.' },
    { texts: ['A:/x'], volumes: ['/'], message: 'The file of A would stand in a volume.' },
  ])('cannot be $texts with volumes at $volumes', ({ texts, volumes, message }) => {
    expect(messages(texts, volumes)).toEqual([message])
  })

  it('can be what only looks like it', () => {
    expect(messages(['A:/database/x', 'B:/process', 'A:/y'], ['/data'])).toEqual([])
  })
})

describe('X2 what goes into a file', () => {
  const NAME = secretName('KEY')
  const contentOf = (value: string | Uint8Array, base64: boolean): Buffer | null => {
    const values: SecretSet = new Map([[NAME, new SecretValue(Buffer.from(value))]])
    try {
      using made = fileContents([{ name: NAME, path: '/k', mode: 0o400, base64 }], values)
      return made.contents[0]?.use((bytes) => Buffer.from(bytes)) ?? null
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      expect(error.message).toBe('The value of KEY is not base64.')
      return null
    }
  }

  it('is the value, or what it is the base64 of, in every usual spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const buffer = Buffer.from(bytes)
        expect(contentOf(bytes, false)).toEqual(buffer)
        const text = buffer.toString('base64')
        const wrapped = text.replaceAll(/.{10}/g, '$&\r\n')
        for (const spelling of [
          text,
          text.replace(/=+$/, ''),
          buffer.toString('base64url'),
          wrapped,
          `${text}\n`,
        ]) {
          expect(contentOf(spelling, true)).toEqual(buffer)
        }
      }),
    )
  })

  it.for([
    'a',
    'abcde',
    'ab=',
    'a===',
    'ab==cd==',
    'ab-_+/ab',
    'päss',
    'a b!',
    '====',
    Uint8Array.of(0xff, 0xff, 0xff, 0xff),
  ])('is not what only looks like base64: %s', (value) => {
    expect(contentOf(value, true)).toBeNull()
  })

  it('is wiped with the rest', () => {
    const values: SecretSet = new Map([[NAME, SecretValue.fromText('c29tZQ==')]])
    const made = fileContents([{ name: NAME, path: '/k', mode: 0o400, base64: true }], values)
    const [content] = made.contents
    made[Symbol.dispose]()
    expect(content?.use((bytes) => [...bytes])).toEqual([0, 0, 0, 0])
  })
})

describe('--publish', () => {
  it.for([
    { text: '80', port: { container: 80, protocol: 'tcp', address: '', hostPort: '' } },
    { text: '8080:80', port: { container: 80, protocol: 'tcp', address: '', hostPort: '8080' } },
    { text: '53:53/udp', port: { container: 53, protocol: 'udp', address: '', hostPort: '53' } },
    {
      text: '127.0.0.1:8080:80',
      port: { container: 80, protocol: 'tcp', address: '127.0.0.1', hostPort: '8080' },
    },
    { text: '127.0.0.1::80', port: { container: 80, protocol: 'tcp', address: '127.0.0.1', hostPort: '' } },
    { text: '[::1]:1:65535', port: { container: 65_535, protocol: 'tcp', address: '::1', hostPort: '1' } },
  ])('reads $text', ({ text, port }) => {
    expect(publishedPort(text)).toEqual(port)
  })

  it.for(['', 'x', '0', '65536', '70000:80', '80/sctp', '1:2:3', '80-90', '8080:', '::1:80:80'])(
    'refuses %s',
    (text) => {
      expect(publishedPort(text)).toBeNull()
    },
  )
})

import { describe, expect, it } from 'vitest'
import { needlesFor } from '../../src/leak/needles.js'
import { Redactor, redactText } from '../../src/leak/redact.js'
import { CASES, SECRETS, type RedactCase } from './support/redact-cases.js'
import { byteByByte, cutAt, KERNELS, literalNeedles } from './support/streams.js'

const latin1 = (bytes: string | Uint8Array): string =>
  (typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : Buffer.from(bytes)).toString('latin1')

const needlesOf = (secrets: Readonly<Record<string, string>>) =>
  needlesFor(Object.entries(secrets).map(([name, value]) => ({ name, value: Buffer.from(value, 'utf8') })))

const shared = needlesOf(SECRETS)

function given(pieces: readonly Uint8Array[], redactor: Redactor): string {
  return latin1(Buffer.concat([...pieces.map((piece) => redactor.push(piece)), redactor.end()]))
}

describe.for(KERNELS)('the table (%s)', (kernel) => {
  it.for<[name: string, row: RedactCase]>(CASES.map((row) => [row.name, row]))('%s', ([, row]) => {
    const needles = row.secrets === undefined ? shared : needlesOf(row.secrets)
    const text = Buffer.from(latin1(row.text), 'latin1')
    const redactor = (): Redactor =>
      new Redactor(needles, { kernel, mark: row.named === true ? 'named' : 'plain' })
    const expected = latin1(row.expected)
    expect(given([text], redactor())).toBe(expected)
    expect(given(byteByByte(text), redactor())).toBe(expected)
    for (let cut = 1; cut < text.length; cut += 1)
      expect(given(cutAt(text, [cut]), redactor())).toBe(expected)
  })
})

describe('a log without a value', () => {
  const logs = [
    'Collecting requests==2.32.0\n  Downloading requests-2.32.0-py3-none-any.whl (63 kB)\n     \u2501\u2501\u2501 63.2/63.2 kB 1.9 MB/s eta 0:00:00\n',
    'Looking in indexes: https://pypi.org/simple, https://****@index.example.org/simple\n',
    'Successfully installed certifi-2024.7.4 idna-3.7 urllib3-2.2.2\r\nWARNING: Running pip as the \x1b[1mroot\x1b[0m user\r\n',
    'Get:1 http://deb.debian.org/debian bookworm/main amd64 git amd64 1:2.39.5-0+deb12u2 [7,260 kB]\nSetting up git (1:2.39.5-0+deb12u2) ...\n',
    'npm warn deprecated inflight@1.0.6: This module is not supported\n\x1b[1G\x1b[0K\u28fe added 120 packages in 3s\n',
    '#7 [2/3] RUN pip install .\n#7 sha256:8d3ac3489996423f53d6087c81180006263b79f206d3fdec9e66f0e27ceb8759 0B / 12.3MB\n#7 0.412 ok\n#7 DONE 1.2s\n',
    'commit deadbeefdeadbeefdeadbeefdeadbeefdeadbeef\nAuthor: git <git@example.org>\n\n    67 68 69 6a are numbers\n00000000: 0102 0304  ....\n',
    'Traceback (most recent call last):\n  File "/app/x.py", line 3, in <module>\n    raise ValueError("Port could not be cast to integer value as \'http\'")\n',
  ]

  it.for(logs)('stays as it is: %j', (log) => {
    const text = Buffer.from(log, 'utf8')
    expect(given([text], new Redactor(shared))).toBe(latin1(text))
    expect(given(byteByByte(text), new Redactor(shared))).toBe(latin1(text))
  })

  it('leaves line by line, at once', () => {
    const redactor = new Redactor(shared)
    for (const line of logs.join('').split(/(?<=\n)/)) {
      expect(latin1(redactor.push(Buffer.from(line, 'utf8')))).toBe(latin1(line))
      expect(redactor.holding).toBe(false)
    }
  })
})

describe('what is held back', () => {
  const redactorOf = (...values: readonly string[]): Redactor =>
    new Redactor(literalNeedles(values.map((value) => value)))
  const push = (redactor: Redactor, text: string): string => latin1(redactor.push(Buffer.from(text, 'utf8')))

  it('is a beginning, and no more', () => {
    const redactor = redactorOf('token-123', 'other')
    expect(push(redactor, 'a to')).toBe('a ')
    expect(redactor.holding).toBe(true)
    expect(push(redactor, 'p')).toBe('top')
    expect(redactor.holding).toBe(false)
    expect(push(redactor, 'x token-12')).toBe('x ')
    expect(push(redactor, '4 token-123')).toBe('token-124 ***')
  })

  it('is the longest beginning of several', () => {
    const redactor = redactorOf('abcabcabd', 'cabx')
    expect(push(redactor, 'abcab')).toBe('')
    expect(push(redactor, 'x')).toBe('ab***')
  })

  it('is a beginning of any length', () => {
    const value =
      Array.from({ length: 3000 }, (_, at) => String.fromCharCode(97 + ((at * 7) % 26))).join('') + '!'
    const redactor = redactorOf(value)
    for (let at = 0; at < value.length - 1; at += 50)
      expect(push(redactor, value.slice(at, Math.min(at + 50, value.length - 1)))).toBe('')
    expect(push(redactor, '?')).toBe(`${value.slice(0, -1)}?`)
  })

  it('is a line where four bytes and more of a value end it, and what follows', () => {
    const redactor = redactorOf('token-0123456789')
    expect(push(redactor, 'a tok\n')).toBe('a tok\n')
    expect(push(redactor, 'x')).toBe('x')
    expect(push(redactor, ' toke\n')).toBe(' ')
    expect(push(redactor, '\x1b[0m#7 0.1 n-012')).toBe('')
    expect(push(redactor, '3456789')).toBe('***\n\x1b[0m#7 0.1 ***')
  })

  it('is an address until its user-info is known', () => {
    const redactor = redactorOf('token-123')
    expect(push(redactor, 'GET https://bob:pw')).toBe('GET https://')
    expect(push(redactor, 'd@h')).toBe('')
    expect(push(redactor, '/x')).toBe('***@h/x')
  })

  it('comes out when the stream falls silent, but for four bytes of a value', () => {
    const redactor = redactorOf('token-123', 'a-line-that-wraps')
    expect(push(redactor, 'Password: tok')).toBe('Password: ')
    expect(latin1(redactor.flush())).toBe('tok')
    expect(redactor.holding).toBe(false)
    // What went out is out. The rest of the value is masked all the same.
    expect(push(redactor, 'en-123 and toke')).toBe('*** and ')
    expect(latin1(redactor.flush())).toBe('')
    expect(redactor.holding).toBe(true)
    expect(push(redactor, 'n-123 a-li')).toBe('*** ')
    expect(push(redactor, '\n')).toBe('')
    expect(latin1(redactor.flush())).toBe('')
    expect(push(redactor, 'ne-that-wraps.')).toBe('***\n***.')
    expect(push(redactor, 'https://b')).toBe('https://')
    expect(latin1(redactor.flush())).toBe('')
  })

  it('goes on after a flush, byte by byte', () => {
    const redactor = redactorOf('token-0123456789')
    const out: string[] = []
    for (const letter of 'x token-0123456789 y') out.push(push(redactor, letter), latin1(redactor.flush()))
    expect(out.join('')).toBe('x tok*** y')
  })

  it('comes out at the end', () => {
    const redactor = redactorOf('token-123')
    expect(push(redactor, 'x token-12')).toBe('x ')
    expect(latin1(redactor.end())).toBe('token-12')
  })
})

describe('needles that come later', () => {
  it('count from the bytes that are held back on', () => {
    const redactor = new Redactor(literalNeedles(['first-value']))
    const out = [redactor.push(Buffer.from('second-value first')), ...[]]
    redactor.add(literalNeedles(['second-value', 'first-of-all']))
    out.push(redactor.push(Buffer.from('-of-all second-value first-value seco\nnd-value')), redactor.end())
    expect(latin1(Buffer.concat(out))).toBe('second-value *** *** *** ***\n***')
  })

  it('may begin at the same place as the ones before', () => {
    const redactor = new Redactor(literalNeedles(['abcd']))
    redactor.add(literalNeedles(['abcdefgh']))
    const out = [redactor.push(Buffer.from('abcdef')), redactor.push(Buffer.from('gh abcdx')), redactor.end()]
    expect(latin1(Buffer.concat(out))).toBe('*** ***x')
  })
})

describe('any values', () => {
  it.for<[what: string, values: readonly string[], text: string]>([
    ['one byte', ['a'], 'aaaa'],
    ['nothing', [], 'aaaa'],
    ['equal bytes', ['aaaa', 'aaaaa', 'a'.repeat(300)], 'a'.repeat(5000)],
    ['the mark', ['***', '****', '***('], '*'.repeat(500)],
    ['line feeds', ['\n\n\n\n', '\n'.repeat(200)], '\n'.repeat(1000)],
    ['escape sequences', ['\x1b[0m', '\x1b[0m\x1b[0m'], '\x1b[0m'.repeat(100)],
  ])('come to an end: %s', ([, values, text]) => {
    const needles = needlesFor(
      values.map((value, number) => ({ name: `S${number}`, value: Buffer.from(value) })),
    )
    const bytes = Buffer.from(text)
    expect(given(byteByByte(bytes), new Redactor(needles))).toBe(given([bytes], new Redactor(needles)))
  })

  it('come to an end: half a megabyte of one byte, and of any bytes', () => {
    const value = Buffer.alloc(500 * 1024, 'a')
    const other = Buffer.from(value.map((_, at) => (at * 2654435761) >>> 24))
    const needles = literalNeedles([value, other])
    const text = Buffer.concat([value, value, Buffer.from('.'), other, Buffer.from('.')])
    const pieces: Uint8Array[] = []
    for (let at = 0; at < text.length; at += 10_000) pieces.push(text.subarray(at, at + 10_000))
    expect(given(pieces, new Redactor(needles))).toBe('***.***.')
  })

  it('come to an end: many in one piece', () => {
    const values = ['first-of-two-values', 'other-of-two-values']
    const needles = literalNeedles(values.map((value) => Buffer.from(value)))
    const lines = (of: readonly string[]): string =>
      Array.from({ length: 200_000 }, (_, at) => `${of[at % of.length] ?? ''}\n`).join('')
    expect(given([Buffer.from(lines(values))], new Redactor(needles))).toBe(lines(['***']))
  })
  it('come to an end: two thousand that begin and end like each other', () => {
    const values = Array.from(
      { length: 2000 },
      (_, number) => `https://ci-bot:${String(number).padStart(number % 40, '0')}xyz`,
    )
    const needles = literalNeedles(values)
    const text = Buffer.from(
      values
        .slice(0, 200)
        .map((value) => `GET ${value} end\n`)
        .join(''),
    )
    expect(given([text], new Redactor(needles))).toBe('GET *** end\n'.repeat(200))
  })
})

describe('redactText', () => {
  it('masks a text that is whole', () => {
    expect(redactText(`a ${SECRETS['UNICODE'] ?? ''} b`, shared)).toBe('a *** b')
    expect(redactText('nothing é', shared)).toBe('nothing é')
    expect(redactText(`https://x:y@h ${SECRETS['TOKEN'] ?? ''}`, shared, { mark: 'named' })).toBe(
      'https://***(URL)@h ***(TOKEN)',
    )
  })
})

describe('the caller', () => {
  it('may write to a chunk again, whatever is held back of it', () => {
    const redactor = new Redactor(literalNeedles(['token-123']))
    const chunk = Buffer.from('one token')
    expect(latin1(redactor.push(chunk))).toBe('one ')
    chunk.fill('X')
    expect(latin1(redactor.push(Buffer.from('-124.')))).toBe('token-124.')
  })
})

import { describe, expect, it } from 'vitest'
import { FORM_NAMES, FORMS } from '../../src/leak/forms.js'
import { secretLines } from '../../src/leak/lines.js'
import { MASKED_BYTES, needlesFor, SEARCHED_BYTES, type NeedleSet } from '../../src/leak/needles.js'
import { SecretValue } from '../../src/secret.js'
import { PEM } from './support/redact-cases.js'

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const textsOf = (needles: NeedleSet, form: string): readonly string[] =>
  needles.needles.filter((needle) => needle.form === form).map(({ bytes }) => latin1(bytes))
const of = (value: string, name = 'V'): { name: string; value: Uint8Array } => ({
  name,
  value: Buffer.from(value, 'utf8'),
})

describe('needlesFor', () => {
  // Texts as the named programs write them, by hand or copied from their output.
  it.for<[form: string, value: string, text: string, by: string]>([
    ['raw', 'value-1', 'value-1', 'itself'],
    ['trimmed', ' value-1 \n', 'value-1', '$(cat)'],
    ['line-ends', 'one-1\ntwo-2\n', 'one-1\r\ntwo-2\r\n', 'unix2dos'],
    ['line-ends', 'one-1\r\ntwo-2\r\n', 'one-1\ntwo-2\n', 'dos2unix'],
    ['line-ends', 'one-1\ntwo-2\n', 'one-1 two-2', 'echo $V'],
    ['line-ends', 'one-1\ntwo-2\n', 'one-1two-2', "tr -d '\\n'"],
    ['line', 'first line of it 1\nsecond line of it 2', 'second line of it 2', 'grep'],
    ['json', 'a"b\\c\n', 'a\\"b\\\\c\\n', 'JSON.stringify'],
    ['json', 'a/b/c/d', 'a\\/b\\/c\\/d', 'PHP'],
    ['json', 'a<b>&c', 'a\\u003cb\\u003e\\u0026c', 'Go'],
    ['json', 'grüße-1', 'gr\\u00fc\\u00dfe-1', 'Python'],
    ['json', 'a"bcdef', 'a\\\\\\"bcdef', 'JSON in JSON'],
    ['python', "a'b\n\x01é", "a\\'b\\n\\x01é", 'repr of a text with both quotes'],
    ['python', 'é\tabcd', '\\xc3\\xa9\\tabcd', 'repr of bytes'],
    ['shell', "it's-so", "it'\\''s-so", 'set -x'],
    ['shell', "it's-so", `it'"'"'s-so`, 'shlex.quote'],
    ['shell', 'a"$b`c\\d', 'a\\"\\$b\\`c\\\\d', 'declare -p'],
    ['shell', '~a b!c{d},e', '\\~a\\ b\\!c\\{d\\}\\,e', 'printf %q'],
    ['shell', '\x1b[0mred', '\\E[0mred', "printf %q, $'…'"],
    ['shell', 'é-and-1', '\\303\\251-and-1', "printf %q in the C locale, $'…'"],
    ['markup', `a<b>&"c'd`, 'a&lt;b&gt;&amp;"c\'d', 'as text'],
    ['markup', `a<b>&"c'd`, 'a&lt;b&gt;&amp;&quot;c&#x27;d', 'Python html.escape'],
    ['markup', `a<b>&"c'd`, 'a&lt;b&gt;&amp;&#34;c&#39;d', 'Go html.EscapeString'],
    ['markup', `a<b>&"c'd`, 'a&lt;b&gt;&amp;&quot;c&#039;d', 'PHP htmlspecialchars'],
    ['markup', 'abc', '&#97;&#98;&#99;', 'every character'],
    ['percent', 'a b/c~d', 'a%20b%2Fc~d', 'RFC 3986'],
    ['percent', 'a b/c~d', 'a%20b/c~d', 'Python quote'],
    ['percent', "a(b)'c d", "a(b)'c%20d", 'encodeURIComponent'],
    ['percent', 'é-and-1', '%c3%a9-and-1', 'lower case'],
    ['percent', 'a@bcde', 'a%2540bcde', 'twice'],
    ['form', 'a b&c=d', 'a+b%26c%3Dd', 'URLSearchParams'],
    ['form', 'a b~c*d', 'a+b~c%2Ad', 'Python quote_plus'],
    ['base64', 'abcdef', 'YWJjZGVm', 'base64'],
    ['base64', 'abcdef', 'FiY2RlZ', 'base64 after one byte'],
    ['base64', 'abcdef', 'hYmNkZW', 'base64 after two bytes'],
    ['base64url', '??>>??', 'Pz8-Pj8_', 'base64url'],
    ['base64-twice', 'abcdef', 'WVdKalpHVm', 'base64 | base64'],
    ['base32', 'abcdefghij', 'MFRGGZDFMZTWQ2LK', 'base32'],
    ['hex', 'abcdef', '616263646566', 'xxd -p'],
    ['hex', 'jklmno', '6A6B6C6D6E6F', 'xxd -p -u'],
    ['hex-separated', 'abc', '61 62 63', 'od -tx1'],
    ['hex-separated', 'abc', '61:62:63', 'openssl'],
    ['hex-separated', 'jkl', '6A-6B-6C', 'BitConverter'],
    ['hex-separated', 'abc', '0x61, 0x62, 0x63', 'xxd -i'],
    ['hex-columns', 'abcde', '6162 6364 65', 'xxd'],
    ['hex-columns', 'abcde', '61 6263 6465', 'xxd, from the middle of a column'],
    ['hex-escapes', 'abc', '\\x61\\x62\\x63', 'C'],
    ['octal-escapes', 'abc', '\\141\\142\\143', 'C'],
    ['unicode-escapes', 'a🔑', '\\u0061\\ud83d\\udd11', 'Java'],
    ['utf-16le', 'abc', 'a\0b\0c\0', 'iconv'],
    ['utf-16be', 'abc', '\0a\0b\0c', 'iconv'],
    ['reversed', 'abcdef', 'fedcba', 'rev'],
  ])('%s: %j is %j (%s)', ([form, value, text]) => {
    using needles = needlesFor([of(value)], { minimumBytes: 1 })
    expect(textsOf(needles, form)).toContain(Buffer.from(text, 'utf8').toString('latin1'))
  })

  it('names every form of the table for a value that has them all', () => {
    using needles = needlesFor([of(` first "line" of it, grüße?>\nsecond 'line', of <it> & more ~ \n`)])
    expect(new Set(needles.needles.map(({ form }) => form))).toEqual(new Set(FORM_NAMES))
    for (const { source } of Object.values(FORMS)) expect(source).not.toBe('')
  })

  it('has every text once, for the form that comes first', () => {
    using needles = needlesFor([of('plain-token-0123456789')])
    const seen = needles.needles.filter(({ breaks }) => breaks !== 'dump').map(({ bytes }) => latin1(bytes))
    expect(new Set(seen).size).toBe(seen.length)
    expect(textsOf(needles, 'percent')).not.toContain('plain-token-0123456789')
    expect(textsOf(needles, 'trimmed')).toEqual([])
  })

  it('finds no form of text in a value that is none', () => {
    using needles = needlesFor([{ name: 'V', value: Uint8Array.of(0xff, 0xfe, 0x80, 0x81, 0x82, 0x83) }])
    expect(textsOf(needles, 'json')).toEqual([])
    expect(textsOf(needles, 'utf-16le')).toEqual([])
    expect(textsOf(needles, 'hex')).toContain('fffe80818283')
  })

  it('names what is too short, and searches what the value becomes long enough in', () => {
    using needles = needlesFor([
      of('abc', 'THREE'),
      of('abcde', 'FIVE'),
      of('     a     ', 'PADDED'),
      of('', 'EMPTY'),
    ])
    expect(needles.names).toEqual(['THREE', 'FIVE', 'PADDED', 'EMPTY'])
    expect(needles.tooShort).toEqual([
      { name: 'THREE' },
      { name: 'FIVE' },
      { name: 'PADDED', form: 'trimmed' },
    ])
    expect(needles.unmasked).toEqual([{ name: 'THREE' }, { name: 'PADDED', form: 'trimmed' }])
    expect(needles.needles.filter(({ bytes }) => bytes.length < SEARCHED_BYTES)).toEqual([])
    expect(needles.masked.filter(({ bytes }) => bytes.length < MASKED_BYTES)).toEqual([])
    expect(needles.masked.map(({ secret, form }) => `${secret} ${form}`)).toContain('FIVE raw')
    expect(textsOf(needles, 'hex')).toContain('6162636465')
  })

  it('joins the versions of one name', () => {
    using needles = needlesFor([
      of('version-1', 'V'),
      of('version-2', 'V'),
      of('version-1', 'V'),
      of('version-1', 'W'),
    ])
    expect(needles.names).toEqual(['V', 'W'])
    expect(needles.needles.filter(({ form }) => form === 'raw').map(({ secret }) => secret)).toEqual([
      'V',
      'V',
      'W',
    ])
  })

  it('takes a copy of the values and overwrites it in the end', () => {
    const value = Buffer.from('a-value-of-bytes')
    const needles = needlesFor([
      { name: 'BYTES', value },
      { name: 'SECRET', value: SecretValue.fromText('a-secret-value') },
    ])
    value.fill(0)
    expect(textsOf(needles, 'raw')).toEqual(['a-value-of-bytes', 'a-secret-value'])
    let disposed = 0
    const made = { [Symbol.dispose]: () => void (disposed += 1) }
    const make = (): typeof made => made
    expect(needles.compiled(make)).toBe(made)
    expect(needles.compiled(make)).toBe(made)
    needles[Symbol.dispose]()
    expect(disposed).toBe(1)
    for (const { bytes } of [...needles.needles, ...needles.masked])
      expect(bytes.every((byte) => byte === 0)).toBe(true)
  })
})

describe('secretLines', () => {
  it.for<[what: string, value: string, lines: readonly string[]]>([
    ['one line', 'just-one-line-of-a-value', []],
    ['one line and its end', 'just-one-line-of-a-value\n', []],
    ['short lines', 'short\nlines\n', []],
    [
      'long lines',
      'first line of it 1\r\n  second line of it 2\n',
      ['first line of it 1', 'second line of it 2'],
    ],
    ['a key', PEM, PEM.split('\n').slice(1, 4)],
    ['the header of a key', 'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0123456789ABCDEF\n', []],
    [
      'settings',
      'USER=admin\nPASSWORD=hunter2hunter2\nexport TOKEN="abc-123-def"\n',
      ['hunter2hunter2', 'abc-123-def'],
    ],
    [
      'a service account',
      `{\n  "type": "service_account",\n  "private_key_id": "0123abcd4567",\n  "client_id": "1234567890",
  "client_email": "a@b.iam.gserviceaccount.com",\n  "auth_uri": "https://accounts.google.com/o/oauth2/auth"\n}\n`,
      ['0123abcd4567'],
    ],
    [
      'an address with credentials',
      'A=b\nURL=postgres://u:secret@db.example.org/x\n',
      ['postgres://u:secret@db.example.org/x'],
    ],
    [
      'base64 with padding',
      'QUJDREVGR0hJSktMTU5PUFFSU1RVVg==\nQUJDREVGR0hJSktMTU5PUFFSU1RVVg==',
      ['QUJDREVGR0hJSktMTU5PUFFSU1RVVg==', 'QUJDREVGR0hJSktMTU5PUFFSU1RVVg=='],
    ],
  ])('%s', ([, value, lines]) => {
    expect(secretLines(Buffer.from(value)).map(latin1)).toEqual(lines)
  })
})

describe('the lines of an OpenSSH key', () => {
  it('leave out the first, which every key of its kind has', () => {
    const keys = [1, 2].map((seed) => {
      // Magic, no cipher, no key derivation, one key; then what differs.
      const head =
        'openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01\0\0\x003\0\0\0\vssh-ed25519'
      const rest = Buffer.from(Array.from({ length: 180 }, (_, at) => (at * 31 * seed + seed) % 251))
      const body = Buffer.concat([Buffer.from(head, 'latin1'), rest]).toString('base64')
      const lines = body.match(/.{1,70}/g) ?? []
      return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join(
        '\n',
      )
    })
    const [mine, other] = keys.map((key) =>
      secretLines(Buffer.from(key)).map((line) => Buffer.from(line).toString()),
    )
    expect(mine?.length).toBeGreaterThan(2)
    expect(mine?.filter((line) => other?.includes(line))).toEqual([])
  })
})

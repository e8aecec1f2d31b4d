/** What a redactor is given and what it has to give: values as programs really print them. */

/** A 40-character token. */
export const TOKEN = 'ghp_R7vXn2kLqW9sTzB4mYc8HdJfGpQaUe3ViA1x'
/** With everything that an encoding escapes. */
export const PASSWORD = `p/a+s"s'w<o>r&d%1 z~$x`
/** Not ASCII. */
export const UNICODE = 'pässwörd-日本語-🔑'
/** A key, as `openssl ecparam -genkey` writes it. */
export const PEM = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIHq0n3vVbT9wq1m6Zs8kYt2LrDf5xGcUeJ4oPa7NiWbWoAoGCCqGSM49
AwEHoUQDQgAE0v3KfXc9Hn2pL8wRyQ5sTj7mZdB1uGxE4kVaOiC6tNqYhPzWgJl3
FrSbMeUo2DkA9X5yTcLv8nHqIw7Zg1Rj0Q==
-----END EC PRIVATE KEY-----
`
/** Lines of a key without what every key has. */
const [, PEM_LINE = '', PEM_LINE_2 = '', PEM_LINE_3 = ''] = PEM.split('\n')
/** Put into an address as it is, its first half becomes a host or a port. */
export const SLASHED = 'sp-a/rest?of=it'
/** Settings in one value. */
export const BLOB = 'HOST=db.example.org\nDB_PASSWORD=hunter2-and-more\n# a comment, long enough to count\n'

/** Secrets of all cases that name none. */
export const SECRETS: Readonly<Record<string, string>> = {
  TOKEN,
  PASSWORD,
  UNICODE,
  PEM,
  SLASHED,
  FIVE: 'q9!xZ',
  EIGHT: 'x7#kPm2v',
  FOUR: '9Kq!',
}

/** One case. `secrets` are those of {@link SECRETS} unless given; `named` asks for marks with names. */
export interface RedactCase {
  readonly name: string
  readonly text: string | Uint8Array
  readonly expected: string | Uint8Array
  readonly secrets?: Readonly<Record<string, string>>
  readonly named?: boolean
}

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')
const base64 = (text: string): string => bytes(text).toString('base64')
const hex = (text: string): string => bytes(text).toString('hex')
const every = (text: string, write: (byte: number) => string, between = ''): string =>
  Array.from(bytes(text), (byte) => write(byte)).join(between)
const twoDigits = (byte: number): string => byte.toString(16).padStart(2, '0')
const wrap = (text: string, width: number): readonly string[] =>
  text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
const lowerPercent = (text: string): string => text.replace(/%[0-9A-F]{2}/g, (match) => match.toLowerCase())

/** Text that holds the value in one piece, all of which is masked. */
const whole = (name: string, value: string | Uint8Array): RedactCase => ({
  name,
  text: Buffer.concat([bytes('before '), Buffer.from(value), bytes(' after\n')]),
  expected: 'before *** after\n',
})

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const base32 = (text: string): string => {
  const bits = every(text, (byte) => byte.toString(2).padStart(8, '0'))
  return (bits.match(/.{1,5}/g) ?? []).map((five) => BASE32[parseInt(five.padEnd(5, '0'), 2)]).join('')
}

/** Base64 of `before + value + after` on lines of `width`, and the same without the characters that only the value tells. */
function inBase64(parts: {
  before?: string
  value?: string
  after?: string
  width?: number
  end?: string
  url?: boolean
}): Pick<RedactCase, 'text' | 'expected'> {
  const { before = '', value = TOKEN, after = '', width = 1000, end = '\n', url = false } = parts
  const text = bytes(before + value + after).toString(url ? 'base64url' : 'base64')
  const first = Math.ceil((before.length * 8) / 6)
  const last = Math.floor(((before.length + value.length) * 8) / 6)
  // A zero byte stands for a masked character, and any number of them for a mark.
  const masked = text.slice(0, first) + '\0'.repeat(last - first) + text.slice(last)
  return {
    text: wrap(text, width).join(end),
    expected: wrap(masked, width).join(end).replace(/\0+/g, '***'),
  }
}

const onOneLine = ({
  text,
  expected,
}: Pick<RedactCase, 'text' | 'expected'>): Pick<RedactCase, 'text' | 'expected'> => ({
  text,
  expected: String(expected).replace('\\n***', '\\n'),
})

/** Text whose lines have something before them. */
const prefixed = (text: string, prefix: string): string =>
  text
    .split('\n')
    .map((line) => (line === '' ? line : prefix + line))
    .join('\n')

const [HEAD, TAIL] = [TOKEN.slice(0, 17), TOKEN.slice(17)]
const RED = '\x1b[1;31m'
const RESET = '\x1b[0m'

/** The cases. */
export const CASES: readonly RedactCase[] = [
  whole('raw token', TOKEN),
  whole('raw password', PASSWORD),
  whole('raw, not ASCII', UNICODE),
  whole('a value of five characters', 'q9!xZ'),
  whole('a value of eight characters', 'x7#kPm2v'),
  whole('a value of four characters', '9Kq!'),
  { name: 'a value that is too short', secrets: { A: 'abc' }, text: 'xabcx', expected: 'xabcx' },
  { name: 'an empty value', secrets: { A: '' }, text: 'text', expected: 'text' },
  {
    name: 'pip: a token as user',
    text: `Collecting git+https://${TOKEN}@h/r\n`,
    expected: 'Collecting git+https://***@h/r\n',
  },
  whole('percent, upper case', encodeURIComponent(PASSWORD)),
  whole('percent, lower case', lowerPercent(encodeURIComponent(PASSWORD))),
  whole('percent, not ASCII', encodeURIComponent(UNICODE)),
  whole('percent, slashes kept', encodeURIComponent(PASSWORD).replaceAll('%2F', '/').replaceAll("'", '%27')),
  whole('percent, as encodeURI', encodeURI(PASSWORD)),
  whole(
    'percent, strict',
    PASSWORD.replace(/[^A-Za-z0-9._~-]/g, (match) => `%${hex(match).toUpperCase()}`),
  ),
  whole(
    'percent, every byte',
    every(TOKEN, (byte) => `%${twoDigits(byte)}`),
  ),
  whole(
    'percent, twice',
    PASSWORD.replace(/[^A-Za-z0-9._~-]/g, (match) => `%25${hex(match).toUpperCase()}`),
  ),
  whole('form', new URLSearchParams({ a: PASSWORD }).toString().slice(2)),
  whole('user-info as URL writes it', Object.assign(new URL('http://h'), { password: PASSWORD }).password),
  whole(
    'a path as URL writes it',
    Object.assign(new URL('http://h'), { pathname: PASSWORD }).pathname.slice(1),
  ),
  whole('a query as URL writes it', Object.assign(new URL('http://h'), { search: PASSWORD }).search.slice(1)),
  whole('JSON', JSON.stringify(PASSWORD).slice(1, -1)),
  whole('JSON with escaped slashes', JSON.stringify(PASSWORD).slice(1, -1).replaceAll('/', '\\/')),
  whole('JSON of Go', `p/a+s\\"s'w\\u003co\\u003er\\u0026d%1 z~$x`),
  whole('JSON in ASCII', 'p\\u00e4ssw\\u00f6rd-\\u65e5\\u672c\\u8a9e-\\ud83d\\udd11'),
  whole('JSON in JSON', JSON.stringify(JSON.stringify(PASSWORD).slice(1, -1)).slice(1, -1)),
  whole(
    '\\uXXXX of every character',
    every(TOKEN, (byte) => `\\u00${twoDigits(byte)}`),
  ),
  whole(
    'repr of bytes',
    'p\\xc3\\xa4ssw\\xc3\\xb6rd-\\xe6\\x97\\xa5\\xe6\\x9c\\xac\\xe8\\xaa\\x9e-\\xf0\\x9f\\x94\\x91',
  ),
  whole('repr of text', PASSWORD.replaceAll("'", "\\'")),
  whole('XML', `p/a+s&quot;s&apos;w&lt;o&gt;r&amp;d%1 z~$x`),
  whole('HTML of Python', `p/a+s&quot;s&#x27;w&lt;o&gt;r&amp;d%1 z~$x`),
  whole('HTML of Go', `p/a+s&#34;s&#39;w&lt;o&gt;r&amp;d%1 z~$x`),
  whole(
    'HTML, every character',
    every(TOKEN, (byte) => `&#${byte};`),
  ),
  whole('shell, single quotes', PASSWORD.replaceAll("'", `'\\''`)),
  whole('shell, shlex.quote', PASSWORD.replaceAll("'", `'"'"'`)),
  whole('shell, double quotes', PASSWORD.replace(/["$`\\]/g, '\\$&')),
  whole('shell, printf %q', `p/a+s\\"s\\'w\\<o\\>r\\&d%1\\ z~\\$x`),
  whole("shell, $'…'", `p/a+s"s\\'w<o>r&d%1 z~$x`),
  whole(
    'octal',
    every(TOKEN, (byte) => `\\${byte.toString(8).padStart(3, '0')}`),
  ),
  whole(
    '\\xHH',
    every(TOKEN, (byte) => `\\x${twoDigits(byte)}`),
  ),
  whole('hex', hex(TOKEN)),
  whole('HEX', hex(TOKEN).toUpperCase()),
  whole('hex with spaces', every(TOKEN, twoDigits, ' ')),
  whole('hex with colons', every(TOKEN, twoDigits, ':')),
  whole(
    'hex with 0x',
    every(TOKEN, (byte) => `0x${twoDigits(byte)}`, ', '),
  ),
  whole('hex in columns', (hex(TOKEN).match(/.{4}/g) ?? []).join(' ')),
  whole('UTF-16, low byte first', Buffer.from(UNICODE, 'utf16le')),
  whole('UTF-16, high byte first', Buffer.from(UNICODE, 'utf16le').swap16()),
  whole('reversed', Buffer.from(bytes(TOKEN)).reverse()),
  { name: 'base32', text: `x ${base32(TOKEN)} y`, expected: 'x *** y' },
  { name: 'base64', ...inBase64({}) },
  { name: 'base64 of echo, one byte left', ...inBase64({ value: TOKEN, after: '\n' }) },
  { name: 'base64 of echo, two bytes left', ...inBase64({ value: 'x7#kPm2v', after: '\n' }) },
  { name: 'base64 of user:token', ...inBase64({ before: 'user:' }) },
  { name: 'base64 of token:x-oauth-basic', ...inBase64({ after: ':x-oauth-basic' }) },
  { name: 'base64 with both sides', ...inBase64({ before: 'a:', after: ':b' }) },
  {
    name: 'base64url',
    ...inBase64({ value: 'k~~~???>>>-and-more-of-it', url: true }),
    secrets: { A: 'k~~~???>>>-and-more-of-it' },
  },
  {
    name: 'base64, 76 columns',
    ...inBase64({ before: 'some text before it, and ', after: '.'.repeat(60), width: 76 }),
  },
  { name: 'base64, 20 columns', ...inBase64({ width: 20 }) },
  { name: 'base64, 8 columns', ...inBase64({ width: 8 }) },
  { name: 'base64, 64 columns, CRLF', ...inBase64({ before: '.'.repeat(30), width: 64, end: '\r\n' }) },
  { name: 'base64, with an indent', ...inBase64({ before: '.'.repeat(30), width: 64, end: '\n      ' }) },
  // A break that is written as two characters ends no line, so one mark stands for both pieces.
  { name: 'base64 in JSON', ...onOneLine(inBase64({ before: '.'.repeat(30), width: 64, end: '\\n' })) },
  { name: 'base64 in a build log', ...inBase64({ before: '.'.repeat(30), width: 64, end: '\n#7 0.123 ' }) },
  {
    name: 'base64 of base64',
    text: base64(base64(`user:${TOKEN}`)),
    // Seven characters of the inner text depend on `user:`, and ten of the outer one on those.
    expected: `${base64(base64(`user:${TOKEN}`)).slice(0, 10)}***`,
  },
  {
    name: 'xxd',
    text: `00000000: 6768 705f 5237 7658 6e32 6b4c 7157 3973  ghp_R7vXn2kLqW9s
00000010: 547a 4234 6d59 6338 4864 4a66 4770 5161  TzB4mYc8HdJfGpQa
00000020: 5565 3356 6941 3178 0a                   Ue3ViA1x.
`,
    expected: '00000000: ***\n00000010: ***\n00000020: ***\n',
  },
  {
    name: 'hexdump -C',
    text: `00000000  2e 2e 67 68 70 5f 52 37  76 58 6e 32 6b 4c 71 57  |..ghp_R7vXn2kLqW|
00000010  39 73 54 7a 42 34 6d 59  63 38 48 64 4a 66 47 70  |9sTzB4mYc8HdJfGp|
00000020  51 61 55 65 33 56 69 41  31 78 0a                 |QaUe3ViA1x.|
0000002b
`,
    expected: '00000000  2e 2e ***\n00000010  ***\n00000020  ***\n0000002b\n',
  },
  {
    name: 'od in a build log',
    text: `#7 0.123 0000000 67 68 70 5f 52 37 76 58 6e 32 6b 4c 71 57 39 73
#7 0.123 0000020 54 7a 42 34 6d 59 63 38 48 64 4a 66 47 70 51 61
#7 0.124 0000040 55 65 33 56 69 41 31 78
`,
    expected: '#7 0.123 0000000 ***\n#7 0.123 0000020 ***\n#7 0.124 0000040 ***\n',
  },
  { name: 'a colour inside', text: `x ${HEAD}${RED}${TAIL}${RESET} y`, expected: `x ***${RED}${RESET} y` },
  { name: 'a colour around', text: `x ${RED}${TOKEN}${RESET} y`, expected: `x ${RED}***${RESET} y` },
  {
    name: 'a move of the cursor inside',
    text: `${HEAD}\x1b[2K\x1b[1G${TAIL}`,
    expected: '***\x1b[2K\x1b[1G',
  },
  { name: 'a link inside', text: `${HEAD}\x1b]8;;x\x1b\\${TAIL}`, expected: '***\x1b]8;;x\x1b\\' },
  {
    name: 'a colour after every letter',
    text: `x ${Array.from(TOKEN).join(RESET)}`,
    // The first three letters are no beginning that is held back.
    expected: `x g${RESET}h${RESET}p${RESET}***${RESET.repeat(36)}`,
  },
  { name: 'wrapped by a terminal', text: `x ${HEAD}\n${TAIL} y`, expected: 'x ***\n*** y' },
  { name: 'wrapped, CRLF', text: `x ${HEAD}\r\n${TAIL} y`, expected: 'x ***\r\n*** y' },
  {
    name: 'wrapped in a build log',
    text: `#7 0.1 ${HEAD}\n#7 0.1 ${TAIL} y`,
    expected: '#7 0.1 ***\n#7 0.1 *** y',
  },
  { name: 'wrapped after three letters', text: `x ghp\n${TOKEN.slice(3)} y`, expected: 'x ghp\n*** y' },
  {
    name: 'wrapped, and percent-encoded',
    text: `${encodeURIComponent(PASSWORD).slice(0, 9)}\n${encodeURIComponent(PASSWORD).slice(9)}`,
    expected: '***\n***',
  },
  { name: 'a key', text: `${PEM}rest`, expected: '***rest' },
  { name: 'a key, CRLF', text: PEM.replaceAll('\n', '\r\n'), expected: '***' },
  { name: 'a key in JSON', text: JSON.stringify({ key: PEM }), expected: '{"key":"***"}' },
  { name: 'a key as echo prints it', text: PEM.replaceAll('\n', ' '), expected: '*** ' },
  { name: 'a key on one line', text: PEM.replaceAll('\n', ''), expected: '***' },
  { name: 'a line of a key', text: `grep: ${PEM_LINE}\n`, expected: 'grep: ***\n' },
  {
    name: 'the lines of a key, mixed',
    text: `${PEM_LINE_2}\n${PEM_LINE}\n.${PEM_LINE_3}`,
    expected: '***\n***\n.***',
  },
  {
    name: 'a key in a build log',
    text: prefixed(PEM, '#7 0.123 '),
    expected: prefixed('***\n***\n***\n***\n***\n', '#7 0.123 '),
  },
  {
    name: 'a key with an indent',
    text: prefixed(PEM, '    '),
    expected: prefixed('***\n***\n***\n***\n***\n', '    '),
  },
  {
    name: 'the first line of any key',
    text: '-----BEGIN EC PRIVATE KEY-----\nMHcC',
    expected: '-----BEGIN EC PRIVATE KEY-----\nMHcC',
  },
  {
    name: 'a setting out of several',
    secrets: { BLOB },
    text: 'env: hunter2-and-more',
    expected: 'env: ***',
  },
  {
    name: 'what is public in settings',
    secrets: { BLOB },
    text: 'connect to db.example.org',
    expected: 'connect to db.example.org',
  },
  { name: 'a beginning that begins again', secrets: { A: 'abac' }, text: 'ababac', expected: 'ab***' },
  {
    name: 'a value that repeats itself',
    secrets: { A: 'abac-abac-tok' },
    text: 'abac-abac-abac-tok',
    expected: 'abac-***',
  },
  { name: 'a doubled first letter', secrets: { A: 'aab12345' }, text: 'x aaab12345 y', expected: 'x a*** y' },
  {
    name: 'a value that begins another',
    secrets: { A: 'abcd', B: 'abcdefgh' },
    text: 'abcdefgh abcdef',
    expected: '*** ***ef',
  },
  {
    name: 'a value that ends another',
    secrets: { A: 'efgh', B: 'abcdefgh' },
    text: 'abcdefgh xefgh',
    expected: '*** x***',
  },
  {
    name: 'a value inside another',
    secrets: { A: 'cdef', B: 'abcdefgh' },
    text: 'abcdefgx abcdefgh',
    expected: 'ab***gx ***',
  },
  { name: 'two that overlap', secrets: { A: 'abcdef', B: 'defghi' }, text: 'xabcdefghix', expected: 'x***x' },
  {
    name: 'a way out of one into another',
    secrets: { A: 'Xabcd', B: 'abcZ' },
    text: 'XabcZ',
    expected: 'X***',
  },
  { name: 'two side by side', secrets: { A: 'first1', B: 'second' }, text: 'first1second', expected: '***' },
  { name: 'one after itself', text: `${TOKEN}${TOKEN} ${TOKEN}`, expected: '*** ***' },
  {
    name: 'a value with spaces around it in the store',
    secrets: { A: '  padded-value \n' },
    text: '[padded-value]',
    expected: '[***]',
  },
  { name: 'no line end', text: `token=${TOKEN}`, expected: 'token=***' },
  { name: 'a beginning at the end', text: 'ghp_R7vXn2k', expected: 'ghp_R7vXn2k' },
  {
    name: 'the mark as a value',
    secrets: { A: '****' },
    text: 'a**** b*** c*****',
    expected: 'a*** b*** c***',
  },
  {
    name: 'a value in the mark',
    secrets: { A: '***(' },
    named: true,
    text: '***(A) x',
    expected: '***(A)A) x',
  },
  {
    name: 'names',
    secrets: { A: 'first1', B: 'second' },
    named: true,
    text: 'first1 second first1second',
    expected: '***(A) ***(B) ***(A)***(B)',
  },
  {
    name: 'names of two that overlap',
    secrets: { A: 'abcdef', B: 'defghi' },
    named: true,
    text: 'abcdefghi',
    expected: '***(A)***(B)',
  },
  {
    name: "another's user-info",
    text: 'GET https://bob:pw@h/x http://tok@h',
    expected: 'GET https://***@h/x http://***@h',
  },
  {
    name: "another's user-info for git",
    text: 'git+https://x-access-token:abc@h/o/r@main',
    expected: 'git+https://***@h/o/r@main',
  },
  { name: 'user-info with @ in it', text: 'HTTPS://bob:p@ss@h:8080/', expected: 'HTTPS://***@h:8080/' },
  { name: 'the user git', text: 'git+https://git@h/o/r', expected: 'git+https://git@h/o/r' },
  { name: 'the user git with a password', text: 'https://git:pw@h/o/r', expected: 'https://***@h/o/r' },
  {
    name: 'user-info that is masked',
    text: 'Looking in indexes: https://****@h/simple',
    expected: 'Looking in indexes: https://****@h/simple',
  },
  {
    name: 'user-info that is a placeholder',
    text: 'RUN pip install git+https://${TOKEN}@h/r',
    expected: 'RUN pip install git+https://${TOKEN}@h/r',
  },
  {
    name: 'no user-info',
    text: 'https://h/@scope/p?a=b@c ssh://git@h a@b',
    expected: 'https://h/@scope/p?a=b@c ssh://git@h a@b',
  },
  { name: 'named user-info', named: true, text: 'https://bob:pw@h', expected: 'https://***(URL)@h' },
  {
    name: 'a port that is none',
    text: "Port could not be cast to integer value as 'sp-a'",
    expected: "Port could not be cast to integer value as '***'",
  },
  {
    name: 'a host that is none',
    text: 'fatal: Could not resolve host: sp-a\n',
    expected: 'fatal: Could not resolve host: ***\n',
  },
  {
    name: 'a host in lower case',
    secrets: { A: 'Sp-A/rest?of=it' },
    text: "HTTPSConnectionPool(host='sp-a', port=443)",
    expected: "HTTPSConnectionPool(host='***', port=443)",
  },
  {
    name: 'a host in the words of urllib3 2',
    text: "HTTPSConnection(host='sp-a', port=443): Failed to resolve 'sp-a'",
    expected: "HTTPSConnection(host='***', port=443): Failed to resolve '***'",
  },
  {
    name: "a host in Go's words",
    text: 'dial tcp: lookup sp-a on 127.0.0.53:53: no such host',
    expected: 'dial tcp: lookup *** on 127.0.0.53:53: no such host',
  },
  {
    name: "a host in the words of git's own protocol",
    text: 'fatal: unable to look up sp-a (port 9418)',
    expected: 'fatal: unable to look up *** (port 9418)',
  },
  { name: 'a piece elsewhere', text: 'a sp-a day', expected: 'a sp-a day' },
  {
    name: 'bytes that are no text',
    text: Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x80]),
    expected: Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x80]),
  },
  {
    name: 'bytes that are no text around',
    text: Buffer.concat([Buffer.from([0xff, 0xe2]), bytes(TOKEN), Buffer.from([0x82])]),
    expected: Buffer.concat([Buffer.from([0xff, 0xe2]), bytes('***'), Buffer.from([0x82])]),
  },
  { name: 'colours without a value', text: `${RED}error${RESET}: no`, expected: `${RED}error${RESET}: no` },
]

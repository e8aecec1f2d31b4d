import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { MAX_VALUE_BYTES, secretName } from '../../src/secret.js'
import {
  deliver,
  resolveRequirements,
  type Delivery,
  type DeliveryTarget,
} from '../../src/substitute/deliver.js'
import { logicalLines } from '../../src/substitute/lines.js'
import { splitLine } from '../../src/substitute/options.js'
import { planDelivery, type DeliveryChoice, type GitReader } from '../../src/substitute/plan.js'
import { listOf, places, readerOf, runs, textOf, value, valuesOf, type Files } from './support.js'

const NEW_PYTHON = { pythonVersion: '3.11.2' }

async function delivered(
  files: Files | string,
  values: Record<string, string>,
  options: { choice?: DeliveryChoice; git?: GitReader } & DeliveryTarget = NEW_PYTHON,
): Promise<Delivery> {
  const read = readerOf(typeof files === 'string' ? { 'r.txt': files } : files)
  return resolveRequirements({ path: 'r.txt' }, valuesOf(values), { read, ...options })
}

async function refused(...call: Parameters<typeof delivered>): Promise<Fault> {
  try {
    await delivered(...call)
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  return expect.fail('nothing was refused')
}

const fileOf = ({ files }: Delivery, path = 'r.txt'): string => Buffer.from(files.get(path) ?? []).toString()

/** Each mount as its kind, place and text. */
const mountsOf = ({ mounts }: Delivery): readonly (readonly string[])[] =>
  mounts.map((mount) => {
    const place =
      mount.kind === 'git-credential'
        ? mount.scope
        : mount.kind === 'netrc'
          ? mount.hosts.join(' ')
          : mount.path
    return [mount.kind, place, textOf(mount.value), [...mount.names].join(' ')]
  })

describe('a lifted list', () => {
  it.for<[line: string, clean: string, mount: readonly string[]]>([
    [
      'git+https://${T}@h/o/r@v1#egg=r',
      'git+https://h/o/r@v1#egg=r',
      ['git-credential', 'https://h', 'username=t@k\npassword=\n', 'T'],
    ],
    [
      'n[x] @ git+http://u:${T}@h:3000/r ; os_name == "posix"',
      'n[x] @ git+http://h:3000/r ; os_name == "posix"',
      ['git-credential', 'http://h:3000', 'username=u\npassword=t@k\n', 'T'],
    ],
    [
      '-e git+https://a%40b:x-${T}@h/r#egg=r',
      '-e git+https://h/r#egg=r',
      ['git-credential', 'https://h', 'username=a@b\npassword=x-t@k\n', 'T'],
    ],
    [
      '-i "https://u:$<T>@h:8443/simple/" --pre',
      '-i "https://h:8443/simple/" --pre',
      ['netrc', 'h', 'machine h login "u" password "t@k"\n', 'T'],
    ],
    [
      '--find-links=https://${T}@H/links',
      '--find-links=https://H/links',
      ['netrc', 'h', 'machine h login "t@k" password ""\n', 'T'],
    ],
    [
      'n @ https://${T}:${T}@h/n.whl --hash=sha256:abc',
      'n @ https://h/n.whl --hash=sha256:abc',
      ['netrc', 'h', 'machine h login "t@k" password "t@k"\n', 'T'],
    ],
    ['git+https://u:$$${T}@h/r', 'git+https://u:$${T}@h/r', []],
  ])('%s', async ([line, clean, mount]) => {
    const delivery = await delivered(`${line}\n`, { T: 't@k\n' })
    expect(delivery.mode).toBe('lifted')
    expect(delivery.reasons).toEqual([])
    if (mount.length > 0) expect(fileOf(delivery)).toBe(`${clean}\n`)
    expect(mountsOf(delivery)).toEqual(mount.length > 0 ? [mount] : [])
  })

  it('makes one mount for a login, and one netrc for all hosts', async () => {
    const delivery = await delivered(
      'git+https://${A}@g/o/r\ngit+https://${A}@g/o/s\ngit+https://${B}@h/x\n-i https://u:${A}@i/\n-f https://v:${B}@j/\n',
      { A: 'a', B: 'b' },
    )
    expect(mountsOf(delivery)).toEqual([
      ['git-credential', 'https://g', 'username=a\npassword=\n', 'A'],
      ['git-credential', 'https://h', 'username=b\npassword=\n', 'B'],
      ['netrc', 'i j', 'machine i login "u" password "a"\nmachine j login "v" password "b"\n', 'A B'],
    ])
  })

  it('gives back what it did not change byte for byte, in its own encoding', async () => {
    const latin = Buffer.from('# coding: latin-1\nn==1 # \xe9\\\r\n--hash=sha256:a\f', 'latin1')
    const delivery = await delivered({ 'r.txt': '-r l.txt\r\n', 'l.txt': latin }, {})
    expect(delivery.mode).toBe('lifted')
    expect(delivery.mounts).toEqual([])
    expect(delivery.files.get('l.txt')).toEqual(latin)
    expect(fileOf(delivery)).toBe('-r l.txt\r\n')
  })

  it('changes a file in another encoding to UTF-8 that says so', async () => {
    const latin = Buffer.from('# coding: latin-1 \xe9\ngit+https://${T}@h/r\n', 'latin1')
    const delivery = await delivered({ 'r.txt': latin }, { T: 't' })
    expect(fileOf(delivery)).toBe('\ufeff# coding: latin-1 é\ngit+https://h/r\n')
  })

  it('keeps UTF-8 without a mark as it is', async () => {
    expect(fileOf(await delivered('# é\ngit+https://${T}@h/r\n', { T: 't' }))).toBe('# é\ngit+https://h/r\n')
  })

  it('keeps the number of every line', async () => {
    const delivery = await delivered('a \\\r\n @ \\\r\n git+https://${T}@h/a\fb==1\u2028\\\nc==1\n', {
      T: 't',
    })
    expect(fileOf(delivery)).toBe('a \\\r\n @ \\\r\n git+https://h/a\fb==1\u2028\\\nc==1\n')
  })

  it('writes what was escaped so that pip does not expand it in a URL', async () => {
    const list = 'git+https://h/$${A}/$$<B>?c=$${D}#$${E}\nn ; os_name == "$${F}"\n'
    expect(fileOf(await delivered(list, {}))).toBe(
      'git+https://h/%24{A}/%24<B>?c=%24{D}#${E}\nn ; os_name == "${F}"\n',
    )
    expect(fileOf(await delivered('https://u:$${A}@h/x\n', {}))).toBe('https://u:%24{A}@h/x\n')
  })

  it('leaves a password that is written in the list where it is', async () => {
    const list = 'git+https://u:plain@h/o/r\ngit+https://${T}@h/p/q\n'
    const delivery = await delivered(list, { T: 't' })
    expect(fileOf(delivery)).toBe('git+https://u:plain@h/o/r\ngit+https://h/p/q\n')
    expect(mountsOf(delivery)).toHaveLength(1)
  })
})

describe('a filled list', () => {
  it.for<[line: string, filled: string]>([
    ['-i https://h/${T}/simple', '-i https://h/%24%7BA%7D%22%25/simple'],
    ['https://h/n.whl?t=${T}&u', 'https://h/n.whl?t=%24%7BA%7D%22%25&u'],
    ['hg+https://u:${T}@h/r', 'hg+https://u:%24%7BA%7D%22%25@h/r'],
    ['git+ssh://${T}@h/r', 'git+ssh://%24%7BA%7D%22%25@h/r'],
    ['git+https://h/r@${T}', 'git+https://h/r@%24%7BA%7D%22%25'],
  ])('%s', async ([line, filled]) => {
    const delivery = await delivered(`# x\n${line}\n`, { T: '${A}"%' })
    expect(delivery.mode).toBe('filled')
    expect(delivery.reasons).toHaveLength(1)
    expect(fileOf(delivery)).toBe(`# x\n${line}\n`)
    expect(mountsOf(delivery)).toEqual([['list', 'r.txt', `# x\n${filled}\n`, 'T']])
  })

  it('fills an option as it is', async () => {
    const delivery = await delivered("n -C 'k=x${T}'\n", { T: 'a&b=%41' })
    expect(mountsOf(delivery)).toEqual([['list', 'r.txt', "n -C 'k=xa&b=%41'\n", 'T']])
  })

  it('fills only what cannot be lifted, and only the files where that stands', async () => {
    const files = {
      'r.txt': 'git+https://${A}@h/r\n-r sub/n.txt\n-r m.txt\n',
      'sub/n.txt': '-i https://u:${A}@i/${B}/simple # $${X}\nx @ https://h/$${Y}\n',
      'm.txt': 'git+https://u:${B}@k/r\n',
    }
    const delivery = await delivered(files, { A: 'a', B: '/b' })
    expect([...delivery.files].map(([path, bytes]) => [path, Buffer.from(bytes).toString()])).toEqual([
      ['r.txt', 'git+https://h/r\n-r sub/n.txt\n-r m.txt\n'],
      ['sub/n.txt', '-i https://i/${B}/simple # $${X}\nx @ https://h/%24{Y}\n'],
      ['m.txt', 'git+https://k/r\n'],
    ])
    expect(mountsOf(delivery)).toEqual([
      ['git-credential', 'https://h', 'username=a\npassword=\n', 'A'],
      ['git-credential', 'https://k', 'username=u\npassword=/b\n', 'B'],
      ['netrc', 'i', 'machine i login "u" password "a"\n', 'A'],
      ['list', 'sub/n.txt', '-i https://i/%2Fb/simple # $${X}\nx @ https://h/%24{Y}\n', 'B'],
    ])
  })

  it('fills everything when that was asked for', async () => {
    const delivery = await delivered(
      'git+https://${T}@h/r\n-i https://${C|raw}@i/\n',
      { T: 'a/b', C: 'u:p%2b' },
      { choice: 'filled' },
    )
    expect(delivery.mode).toBe('filled')
    expect(mountsOf(delivery)).toEqual([
      ['list', 'r.txt', 'git+https://a%2Fb@h/r\n-i https://u:p%2B@i/\n', 'T C'],
    ])
  })

  it('is filled when that was asked for, even without a placeholder', async () => {
    const delivery = await delivered('n==1\n', {}, { choice: 'filled' })
    expect([delivery.mode, delivery.mounts]).toEqual(['filled', []])
  })

  it('says that the rest is UTF-8 where the file was not', async () => {
    const latin = Buffer.from('# coding: latin-1 \xe9\nhttps://h/${T}\n', 'latin1')
    const [mount] = (await delivered({ 'r.txt': latin }, { T: 'ü' })).mounts
    expect(mount && textOf(mount.value)).toBe('\ufeff# coding: latin-1 é\nhttps://h/%C3%BC\n')
  })
})

describe('what cannot be delivered', () => {
  it('names every place that keeps a list from being lifted', async () => {
    const fault = await refused(
      'https://h/${T}\ngit+https://${T}@h/r\nn -C k=${T}\n',
      { T: 't' },
      { choice: 'lifted' },
    )
    expect(places(fault.problems)).toEqual(['r.txt:1:11', 'r.txt:3:8'])
    expect(fault.code).toBe('REQUIREMENTS_INVALID')
  })

  it('names every editable line of a list that must be filled', async () => {
    const list = '-e git+https://${T}@h/r\nhttps://h/${T}\n-e git+https://h/s\n'
    expect(places((await refused(list, { T: 't' })).problems)).toEqual(['r.txt:1:1', 'r.txt:3:1'])
    expect(places((await refused('-e git+https://h/r\n', {}, { choice: 'filled' })).problems)).toEqual([
      'r.txt:1:1',
    ])
  })

  it('says everything that is wrong with list, names and choice at once', async () => {
    const fault = await refused('${A}\nhttps://h/${T}\n-r gone\n', { T: 't' }, { choice: 'lifted' })
    expect(fault.code).toBe('REQUEST_INVALID')
    expect(fault.problems.map(({ code }) => code)).toEqual([
      'REQUIREMENTS_INVALID',
      'REQUIREMENTS_INVALID',
      'SECRET_UNKNOWN',
      'REQUIREMENTS_INVALID',
    ])
  })

  it('keeps the code of unknown names where nothing else is wrong', async () => {
    expect((await refused('https://${A}:${B}@h/x\n', {})).code).toBe('SECRET_UNKNOWN')
  })

  it('names all values that do not fit, and tells none', async () => {
    const fault = await refused('git+https://${A}@h/r\n-i https://u:${B}@i/\nn -C k=${C}\nhttps://h/${D}\n', {
      A: 'hunter2:x',
      B: 'hunter2😀',
      C: 'hunter2 x',
      D: 'hunter2\nx',
    })
    expect(places(fault.problems)).toEqual(['r.txt:1:13', 'r.txt:2:14', 'r.txt:3:8', 'r.txt:4:11'])
    expect(JSON.stringify(fault)).not.toContain('hunter2')
  })

  it('takes a colon in a raw user name only where no password follows', async () => {
    expect((await refused('git+https://${A|raw}:x@h/r', { A: 'u:p' })).message).toContain('colon')
    const delivery = await delivered('git+https://${A|raw}@h/r', { A: 'u:p' })
    expect(mountsOf(delivery)[0]?.[2]).toBe('username=u\npassword=p\n')
  })

  it('does not deliver a list or plan with problems, nor without a value', async () => {
    const bad = await listOf('${A}')
    expect(() => deliver(planDelivery(bad, 'auto'), bad, valuesOf({ A: 'a' }))).toThrow(Fault)
    const forced = await listOf('https://h/${A}')
    expect(() => deliver(planDelivery(forced, 'lifted'), forced, valuesOf({ A: 'a' }))).toThrow(
      /cannot be lifted/,
    )
    const sound = await listOf('https://${A}@h/')
    expect(() => deliver(planDelivery(sound, 'auto'), sound, valuesOf({}))).toThrow(/no secret A/)
  })

  it('refuses a filled list that no engine would take as a secret', async () => {
    const list = `# ${'x'.repeat(MAX_VALUE_BYTES - 20)}\nhttps://h/\${T}\n`
    expect((await delivered(list, { T: 'abc' })).mounts[0]?.value.size).toBeLessThanOrEqual(MAX_VALUE_BYTES)
    expect((await refused(list, { T: 'x'.repeat(50) })).message).toContain('512000')
  })
})

describe('the netrc of an older or unknown Python', () => {
  it.for<[version: string | undefined, secret: string, line: string, mount: readonly string[]]>([
    ['3.9.2', 'a"\\', '-i https://u:${T}@h/', ['netrc', 'h', 'machine h login u password a"\\\n', 'T']],
    ['3.9.2', 'a b', '-i https://u:${T}@h/', ['list', 'r.txt', '-i https://u:a%20b@h/', 'T']],
    ['3.9.2', 'a', '-i https://${T}@h/', ['list', 'r.txt', '-i https://a@h/', 'T']],
    [undefined, 'a#', '-i https://u:${T}@h/', ['netrc', 'h', 'machine h login u password a#\n', 'T']],
    [undefined, 'a"', '-i https://u:${T}@h/', ['list', 'r.txt', '-i https://u:a%22@h/', 'T']],
    ['3.11', 'a"', '-i https://u:${T}@h/', ['netrc', 'h', 'machine h login "u" password "a\\""\n', 'T']],
  ])('%s, %j: %s', async ([pythonVersion, secret, line, mount]) => {
    const delivery = await delivered(line, { T: secret }, { pythonVersion })
    expect(mountsOf(delivery)).toEqual([mount])
    expect(delivery.mode).toBe(mount[0] === 'list' ? 'filled' : 'lifted')
    expect(delivery.reasons).toHaveLength(mount[0] === 'list' ? 1 : 0)
  })

  it('fills those hosts only, and keeps the other reasons', async () => {
    const delivery = await delivered(
      '-i https://u:${A}@h/\n-f https://u:${B}@i/\nhttps://j/${A}',
      { A: 'a', B: 'b b' },
      {},
    )
    expect(mountsOf(delivery).map(([kind, place]) => [kind, place])).toEqual([
      ['netrc', 'h'],
      ['list', 'r.txt'],
    ])
    expect(delivery.reasons).toHaveLength(2)
  })

  it('is refused where filling is', async () => {
    const list = '-e git+https://h/r\n-i https://u:${T}@i/\n'
    expect(places((await refused(list, { T: 'a b' }, { pythonVersion: '3.8' })).problems)).toEqual([
      'r.txt:1:1',
    ])
    const fault = await refused(
      '-i https://u:${T}@i/',
      { T: 'a b' },
      { pythonVersion: '3.8', choice: 'lifted' },
    )
    expect(places(fault.problems)).toEqual(['r.txt:1:14'])
  })
})

describe('plans', () => {
  it('says why a list is filled, once for each reason', async () => {
    const list = await listOf(
      'https://h/${T}/${T}?a=${T}\nn -C k=${T}\nhg+https://${T}@h/\n-i https://${T}@i/\n-f https://${U}@i/\ngit+https://${T}@g/r\ngit+https://${U}@g/r\n',
    )
    const plan = planDelivery(list, 'auto')
    expect(plan.reasons).toHaveLength(6)
    expect(new Set(plan.reasons).size).toBe(6)
    expect([...plan.names]).toEqual(['T', 'U'])
    expect(plan.lifted.size).toBe(0)
  })

  it('needs nothing for a list without placeholders', async () => {
    const plan = planDelivery(await listOf('n==1\n-e .\n'), 'auto')
    expect(plan).toMatchObject({ mode: 'lifted', reasons: [], problems: [] })
  })
})

describe('the shape of a mount', () => {
  const shapes = async (
    list: string,
    target: DeliveryTarget = NEW_PYTHON,
    values = { A: 'a', B: 'b' },
  ): Promise<readonly string[]> => (await delivered(list, values, target)).mounts.map(({ shape }) => shape)

  it('is equal for equal lists, whatever the values', async () => {
    const list = 'git+https://${A}@h/r\n-i https://u:${A}@i/${B}/\n'
    expect(await shapes(list)).toEqual(await shapes(list, NEW_PYTHON, { A: 'c', B: 'd' }))
    expect(new Set(await shapes(list)).size).toBe(3)
  })

  it.for<[name: string, one: string, other: string]>([
    ['user', 'git+https://a:${A}@h/r', 'git+https://b:${A}@h/r'],
    ['form', 'git+https://a:${A}@h/r', 'git+https://a:${A|raw}@h/r'],
    ['place', 'git+https://${A}:${B}@h/r', 'git+https://${B}:${A}@h/r'],
    ['name', 'git+https://${A}@h/r', 'git+https://${B}@h/r'],
    ['scope', 'git+https://${A}@h/r', 'git+https://${A}@i/r'],
    ['netrc user', '-i https://a:${A}@h/', '-i https://b:${A}@h/'],
    ['netrc host', '-i https://a:${A}@h/', '-i https://a:${A}@i/'],
    ['text of the list', 'https://h/${A}', 'https://h/x${A}'],
    ['name in the list', 'https://h/${A}', 'https://h/${B}'],
  ])('differs by %s', async ([, one, other]) => {
    expect(await shapes(one)).not.toEqual(await shapes(other))
  })

  it('differs by the form of the netrc', async () => {
    const list = '-i https://a:${A}@h/'
    expect(await shapes(list)).not.toEqual(await shapes(list, { pythonVersion: '3.9' }))
  })
})

describe('for any value', () => {
  const LIST = 'git+https://${T}@g/r\nn @ git+https://u:x${T}@k/r\n-i "https://u:${T}@h/simple"\n'
  const token = value.filter((text) => !text.includes(':') && text.length >= 6)

  it('a lifted list is what it is without, and no error holds it', async () => {
    await fc.assert(
      fc.asyncProperty(token, async (text) => {
        const delivery = await delivered(LIST, { T: text })
        expect(delivery.mode).toBe('lifted')
        expect(fileOf(delivery)).toBe('git+https://g/r\nn @ git+https://k/r\n-i "https://h/simple"\n')
        expect(JSON.stringify(delivery)).not.toContain(JSON.stringify(text).slice(1, -1))
      }),
      runs(50),
    )
  })

  it('a filled URL is read back to exactly the value', async () => {
    const list = 'https://u:${T}@h/${T}/n.whl?t=${T}#x\n'
    await fc.assert(
      fc.asyncProperty(value, async (text) => {
        const delivery = await delivered(list, { T: text }, { choice: 'filled' })
        const [mount] = delivery.mounts
        const [line, ...others] = logicalLines(mount === undefined ? '' : textOf(mount.value))
        expect(others).toEqual([])
        const { password, pathname, searchParams, hostname, hash } = new URL(line?.text ?? '')
        expect([
          decodeURIComponent(password),
          decodeURIComponent(pathname),
          searchParams.get('t'),
          hostname,
          hash,
        ]).toEqual([text, `/${text}/n.whl`, text, 'h', '#x'])
      }),
      runs(100),
    )
  })

  it('a filled option is read back to exactly the value', async () => {
    const option = value.filter((text) => !/[\s"'\\#$]/.test(text))
    await fc.assert(
      fc.asyncProperty(option, async (text) => {
        const [mount] = (await delivered('n -C k=${T} --hash=a:b\n', { T: text })).mounts
        const [line = { text: '', at: [] }] = logicalLines(mount === undefined ? '' : textOf(mount.value))
        const { args, options } = splitLine(line)
        expect([args.text, ...options.map((each) => each.value?.text)]).toEqual(['n', `k=${text}`, 'a:b'])
      }),
      runs(100),
    )
  })
})

describe('a list that somebody made long', () => {
  it.for<[name: string, text: string]>([
    ['placeholders in one line', `https://h/${'${T}'.repeat(50_000)}\n`],
    ['placeholders in one query', `https://h/?a=${'${T}'.repeat(20_000)}\n`],
    ['placeholders outside', '${T}'.repeat(50_000)],
    ['logins on one line', 'a ' + '-i https://${T}@h/ '.repeat(20_000)],
    ['indexes on one line', '-i https://${T}@h/ '.repeat(20_000)],
    ['logins on one host', 'git+https://${T}@h/a/b\n'.repeat(20_000)],
    ['hosts', Array.from({ length: 10_000 }, (_, index) => `-i https://\${T}@h${index}/\n`).join('')],
    ['ports', Array.from({ length: 20_000 }, (_, index) => `-i https://\${T}@h:${index}/\n`).join('')],
    [
      'segments',
      `git+https://\${T}@h${'/a'.repeat(50_000)}\ngit+https://u:\${T}@h${'/a'.repeat(50_000)}/b\n`,
    ],
    ['blanks', `n${' '.repeat(200_000)}x${' '.repeat(200_000)}# a\n`],
    ['blanks before an extra', `n${' '.repeat(200_000)}[${' '.repeat(200_000)}\n`],
    ['continuations', 'a \\\n'.repeat(50_000)],
    ['starts of placeholders', '${'.repeat(100_000)],
    ['hashes', 'a#'.repeat(200_000)],
    ['brackets', `./a${'['.repeat(200_000)} ]\n`],
  ])('is read in time: %s', async ([, text]) => {
    const started = process.cpuUsage()
    const list = await listOf(text)
    const plan = planDelivery(list, 'auto')
    if (list.problems.length + plan.problems.length === 0)
      deliver(plan, list, valuesOf({ T: 't' }), NEW_PYTHON)
    // Time of this process, whatever else the machine does. Each takes less than a second, and half a minute if it is quadratic.
    const { user, system } = process.cpuUsage(started)
    expect((user + system) / 1e6).toBeLessThan(6)
  })
})

describe('resolveRequirements', () => {
  it('takes strings', async () => {
    const values = valuesOf({ T: 't' })
    const delivery = await resolveRequirements({ lines: ['git+https://${T}@h/r', '-r n.txt'] }, values, {
      read: readerOf({ 'n.txt': 'https://h/${T}' }),
    })
    expect(fileOf(delivery, delivery.root)).toBe('git+https://h/r\n-r n.txt\n')
    expect(delivery.mode).toBe('filled')
  })

  it('does not touch the values it was given', async () => {
    const values = valuesOf({ T: 'tt' })
    const { mounts } = await resolveRequirements(
      { lines: ['git+https://${T}@h/r', 'https://h/${T}'] },
      values,
      {
        read: readerOf({}),
      },
    )
    for (const mount of mounts) mount.value[Symbol.dispose]()
    const held = values.get(secretName('T'))
    expect(held && textOf(held)).toBe('tt')
  })
})

describe('a Git that reads no helpers', () => {
  const old = { ...NEW_PYTHON, git: 'netrc' } as const

  it('gets its login by netrc, unquoted, because its library may not know quotes', async () => {
    const delivery = await delivered(
      'git+https://u:${T}@h/o/r\n-i https://v:${S}@i/\n',
      { T: 't', S: 's' },
      old,
    )
    expect(fileOf(delivery)).toBe('git+https://h/o/r\n-i https://i/\n')
    expect(mountsOf(delivery)).toEqual([
      ['netrc', 'h i', 'machine h login u password t\nmachine i login v password s\n', 'T S'],
    ])
  })

  it.for<[why: string, list: string, value: string, reason: string]>([
    ['an empty password', 'git+https://${T}@h/r', 't', 'A netrc file that git reads too cannot carry'],
    ['white space', 'git+https://u:${T}@h/r', 'a b', 'A netrc file that git reads too cannot carry'],
    ['a quote', 'git+https://u:${T}@h/r', '"t', 'A netrc file that git reads too cannot carry'],
    ['a backslash', 'git+https://u:${T}@h/r', 'a\\b', 'A netrc file that git reads too cannot carry'],
    ['two logins', 'git+https://u:${T}@h/r\ngit+https://v:${T}@h/s', 't', 'A netrc file knows one login'],
  ])('gets a filled list for %s', async ([, list, value, reason]) => {
    const delivery = await delivered(`${list}\n`, { T: value }, old)
    expect(delivery.mode).toBe('filled')
    expect(delivery.reasons).toEqual([expect.stringContaining(reason)])
    expect(delivery.mounts.map(({ kind }) => kind)).toEqual(['list'])
    await expect(delivered(`${list}\n`, { T: value }, { ...old, choice: 'lifted' })).rejects.toMatchObject({
      code: 'REQUIREMENTS_INVALID',
    })
  })
})

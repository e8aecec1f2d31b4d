/** Our reading of requirement lists against the parser of the base image's pip. */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.js'
import { secretName, SecretValue } from '../../src/secret.js'
import { resolveRequirements } from '../../src/substitute/index.js'
import { decodeList, logicalLines } from '../../src/substitute/lines.js'
import { splitLine, type OptionKind } from '../../src/substitute/options.js'
import { openDocker } from '../support/engine.js'

/** A line as pip reads it; of options that pip uses once, the first. */
interface PipLine {
  readonly number: number
  readonly refused?: true
  readonly args: string
  readonly editable: readonly string[]
  readonly list: readonly string[]
  readonly constraint: readonly string[]
  readonly index: readonly string[]
  readonly extra: readonly string[]
  readonly links: readonly string[]
  readonly settings: readonly (readonly [string, string])[]
}

/** One Python in a container, with the lists on its standard input. */
async function pipReads(lists: readonly Uint8Array[]): Promise<readonly (readonly PipLine[] | null)[]> {
  const script = await readFile(resolve(import.meta.dirname, '../support/pip-reader.py'), 'utf8')
  const docker = openDocker()
  const container = await docker.createContainer({
    Image: 'traceless-base:bookworm',
    Entrypoint: ['python3', '-X', 'utf8', '-c', script],
    OpenStdin: true,
    StdinOnce: true,
    HostConfig: { NetworkMode: 'none' },
  })
  try {
    const stream = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: true,
    })
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    docker.modem.demuxStream(stream, stdout, stderr)
    stream.on('end', () => {
      stdout.end()
      stderr.end()
    })
    await container.start()
    stream.end(JSON.stringify(lists.map((list) => Buffer.from(list).toString('base64'))))
    const [output, complaint] = await Promise.all([text(stdout), text(stderr)])
    expect(complaint).toBe('')
    return JSON.parse(output) as readonly (readonly PipLine[] | null)[]
  } finally {
    await container.remove({ force: true })
  }
}

/** The same as {@link PipLine}, from us. */
type OwnLine = Omit<PipLine, 'number' | 'extra' | 'refused'> & { readonly wrong?: string }

function weRead(bytes: Uint8Array): readonly OwnLine[] | null {
  const decoded = decodeList(bytes)
  if ('unreadable' in decoded) return null
  return logicalLines(decoded.text).map((line) => {
    const { args, options, wrong } = splitLine(line)
    const values = (kind: OptionKind): readonly string[] =>
      options.flatMap((option) =>
        option.kind === kind && option.value !== undefined ? [option.value.text] : [],
      )
    const settings = values('settings').map((setting): readonly [string, string] => {
      const equals = setting.indexOf('=')
      return [setting.slice(0, equals), setting.slice(equals + 1)]
    })
    return {
      ...(wrong === undefined ? {} : { wrong }),
      args: args.text,
      editable: values('editable').slice(0, 1),
      list: values('list').slice(0, 1),
      constraint: values('constraint').slice(0, 1),
      index: values('index'),
      links: values('links').slice(0, 1),
      settings: settings.toSorted((a, b) => (a.join('=') < b.join('=') ? -1 : 1)),
    }
  })
}

const WORDS = [
  'a',
  'n==1',
  'n',
  ' ',
  '  ',
  '\t',
  ' \\\n',
  '\\\n',
  '\n',
  '\r\n',
  '\n\n',
  '\f',
  '\u2028',
  '\x85',
  '\u00a0',
  '#',
  ' #',
  '# ',
  '"',
  "'",
  '\\',
  '\\\\',
  '=',
  ';',
  ' ; ',
  '@',
  ' @ ',
  'https://h/x',
  'git+https://${A}@h/r',
  '$<B>',
  '${A}',
  '$${A}',
  '-r ',
  '-rx.txt',
  '--requirement=y',
  '-c ',
  '-e ',
  '--editable ',
  '--edit=',
  '-i ',
  '--index-url=',
  '--index ',
  '--extra-index-url ',
  '-f ',
  '--find-links=',
  '--pre',
  ' --pre ',
  '--no-index ',
  '--hash=sha256:a ',
  '-C ',
  ' -C k=v ',
  ' --config-settings=k=',
  '--config-settings ',
  'k=v ',
  '--trusted-host ',
  '--x ',
  '-x ',
  '-- ',
  '-',
  '--',
  'é',
  '[x]',
  ' --hash=a:b',
  ' -',
] as const

const list = fc
  .array(fc.constantFrom(...WORDS), { maxLength: 14 })
  .map((words) => Buffer.from(words.join('')))

/** Option order is lost in pip's answer: the last index comes apart from the extra ones. */
const comparable = ({ extra, index, ...line }: Omit<PipLine, 'number'>): object => ({
  ...line,
  index: [...extra, ...index].sort(),
})

const RUNS = process.env['TRACELESS_SOAK'] === '1' ? 60_000 : 3_000

describe('requirement lists', () => {
  it('are read as pip reads them', async () => {
    const lists = fc.sample(list, { numRuns: RUNS, seed: 20_23 })
    const theirs = await pipReads(lists)
    let [lines, options] = [0, 0]
    lists.forEach((bytes, at) => {
      const ours = weRead(bytes)
      const whole = Buffer.from(bytes).toString()
      expect(ours?.length, whole).toBe(theirs[at]?.length)
      ours?.forEach((own, index) => {
        const { number: _, ...pips } = theirs[at]?.[index] ?? expect.fail()
        // What pip refuses it does not run; that we read more of it than pip does changes nothing.
        if (pips.refused === true) return
        // An abbreviation that fits one option of this pip may fit two of another.
        if (own.wrong === 'ambiguous') return
        expect(own.wrong, whole).toBeUndefined()
        lines += 1
        if (own.args === '') options += 1
        // Of several "-i" pip uses the last.
        if (own.index.length > pips.index.length + pips.extra.length) return
        expect(comparable({ ...own, extra: [] }), whole).toEqual(comparable(pips))
      })
    })
    expect(lines).toBeGreaterThan(RUNS / 2)
    expect(options).toBeGreaterThan(RUNS / 20)
  })

  it('keep their line numbers, and everything but the credentials, when they are lifted or filled', async () => {
    const originals: Buffer[] = []
    const changed: Uint8Array[] = []
    const values = new Map([
      [secretName('A'), SecretValue.fromText('to${HOME}k"en #x')],
      [secretName('B'), SecretValue.fromText('b')],
    ])
    const url = fc.constantFrom(
      'git+https://${A}@h/r',
      'https://u:${A}@i/${A}',
      'git+https://u:${A}$<A>@h/s@v',
      'https://j/?a=${A}',
    )
    const form = fc.constantFrom(
      '%',
      'n @ %',
      'n[x] \\\n @ \\\n%',
      '-i %',
      '-f "%"',
      "--extra-index-url \\\r\n '%' --pre",
      '% ; os_name == "x"',
      '% --hash=a:b \\\n --hash=c:d',
    )
    const line = fc.tuple(form, url).map(([shape, target]) => shape.replace('%', () => target))
    const other = fc.constantFrom('n==1', '# ${A} \\', '', '  # é', 'n \\', '\f', 'x;y\u2028', '-c c.txt')
    const changing = fc.array(fc.oneof(line, other), { maxLength: 8 }).map((lines) => lines.join('\n'))
    for (const whole of fc.sample(changing, { numRuns: 400, seed: 7 })) {
      const delivery = await resolveRequirements({ path: 'r.txt' }, values, {
        read: (path) => Promise.resolve(Buffer.from(path === 'r.txt' ? whole : '')),
        pythonVersion: '3.11',
      }).catch((error: unknown) => {
        if (error instanceof Fault) return undefined
        throw error
      })
      if (delivery === undefined) continue
      for (const mount of delivery.mounts) {
        if (mount.kind !== 'list') continue
        originals.push(Buffer.from(whole))
        changed.push(mount.value.use((bytes) => new Uint8Array(bytes)))
      }
      originals.push(Buffer.from(whole))
      changed.push(delivery.files.get('r.txt') ?? new Uint8Array())
    }
    expect(originals.length).toBeGreaterThan(200)
    const [before, after] = [await pipReads(originals), await pipReads(changed)]
    // Both without user-infos and values, there is no difference left.
    const bare = (lines: readonly PipLine[] | null | undefined): string =>
      JSON.stringify(lines)
        .replace(/\/\/[^/@]*@/g, '//')
        .replaceAll('${A}', 'to%24%7BHOME%7Dk%22en%20%23x')
    originals.forEach((original, at) => {
      const expected = bare(before[at])
      const got = bare(after[at])
      expect(
        got === expected || got === expected.replaceAll('to%24%7BHOME%7Dk%22en%20%23x', '${A}'),
        original.toString(),
      ).toBe(true)
    })
  })
})

/** `traceless secrets`, as a person and a script call it, over any kind of store. Rows as in the feature table. */

import { describe, expect, it } from 'vitest'
import { MAX_VALUE_BYTES } from '../../src/secret.js'
import type { SecretEntry } from '../../src/store/admin.js'
import type { OpenShell } from '../cli/support.js'

const CANARY = 'ghp-canary_0123456789'

/** Makes the tests for commands over one kind of store. */
export function secretCommands(kind: string, openShell: OpenShell): void {
  describe(`commands over ${kind}`, () => {
    describe('S1: secrets set', () => {
      it('S1: sets several at once and tells their names', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'set', 'A=1', 'B=x=y', 'C='])
        expect(ran).toEqual({ status: 0, out: 'Set A, B, C in main.\n', err: '' })
        expect(await shell.values()).toEqual({ A: '1', B: 'x=y', C: '' })
      })

      it.for([
        ['from standard input, byte by byte', 'A=-', 'in\n', 'in\n'],
        ['from a file, byte by byte', 'A=@value.txt', '', 'of a file\n\n'],
        ['a text that begins with @', String.raw`A=\@value.txt`, '', '@value.txt'],
        ['the text -', String.raw`A=\-`, '', '-'],
        ['a backslash that escapes nothing', String.raw`A=\n@`, '', String.raw`\n@`],
        ['a text with - and more', 'A=-1', '', '-1'],
      ] as const)('S1: takes a value %s', async ([, word, stdin, value]) => {
        await using shell = await openShell()
        await shell.file('value.txt', 'of a file\n\n')
        expect(await shell.run(['secrets', 'set', word], { stdin: [stdin] })).toMatchObject({ status: 0 })
        expect(await shell.values()).toEqual({ A: value })
      })

      it('S1: wipes what came by standard input, however it came, once it is set or refused', async () => {
        await using shell = await openShell()
        for (const [words, status] of [
          [['secrets', 'set', 'A=-'], 0],
          [['secrets', 'import'], 2],
          [['secrets', 'import', '--from-json'], 2],
        ] as const) {
          const chunks = [Buffer.from('one'), Buffer.from(''), Buffer.from('two')]
          expect(await shell.run(words, { stdin: chunks }), words.join(' ')).toMatchObject({ status })
          expect(
            Buffer.concat(chunks).every((byte) => byte === 0),
            words.join(' '),
          ).toBe(true)
        }
        expect(await shell.values()).toEqual({ A: 'onetwo' })
        const large = [Buffer.alloc(MAX_VALUE_BYTES, 'x'), Buffer.from('x')]
        expect(await shell.run(['secrets', 'set', 'A=-'], { stdin: large })).toMatchObject({ status: 2 })
        expect(Buffer.concat(large).every((byte) => byte === 0)).toBe(true)
      })

      it('S1: keeps any bytes of a file', async () => {
        await using shell = await openShell()
        const bytes = Uint8Array.from({ length: 4096 }, (_, at) => at % 256)
        await shell.file('bytes', bytes)
        await shell.run(['secrets', 'set', 'A=@bytes'])
        const store = await shell.store()
        const [held] = await store.reader.read({ environment: 'main', purpose: 'scan' }, 'all')
        expect(held?.value.use((lent) => Buffer.compare(lent, bytes))).toBe(0)
      })

      it('S1: asks for a bare name at the terminal and shows nothing of the answer', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'set', 'A', 'B'], { terminal: 80, hidden: [CANARY, 'two'] })
        expect(ran).toEqual({ status: 0, out: 'Set A, B in main.\n', err: 'Value of A\nValue of B\n' })
        expect(await shell.values()).toEqual({ A: CANARY, B: 'two' })
      })

      it('S1: changes nothing when the answer is empty', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'set', 'A=1', 'B'], { terminal: 80, hidden: [''] })
        expect(ran.status).toBe(130)
        expect(ran.err).toContain('For an empty value write NAME=.')
        expect(await shell.values()).toEqual({})
      })

      it('S1: says once, and on a terminal only, that the shell remembers a value', async () => {
        await using shell = await openShell()
        const words = ['secrets', 'set', 'A=1', 'B=2']
        expect((await shell.run(words, { terminal: 80 })).err.match(/history of your shell/g)).toHaveLength(1)
        expect((await shell.run(words)).err).toBe('')
        const asked = await shell.run(['secrets', 'set', 'A'], { terminal: 80, hidden: ['x'] })
        expect(asked.err).not.toContain('history')
      })

      it.for([
        ['abc\n', true],
        ['abc', false],
        ['a\nb\n', false],
        ['\n', true],
      ] as const)('S1: notes a line break that ends %j', async ([stdin, isNoted]) => {
        await using shell = await openShell()
        const { err } = await shell.run(['secrets', 'set', 'A=-'], { stdin: [stdin] })
        expect(err.includes('ends with a line break')).toBe(isNoted)
      })

      it.for([
        ['a word that is no name', [`bad-${CANARY}`], 'Argument 1 does not begin with a valid name.'],
        ['a bad name before "="', ['A=1', `1${CANARY}=x`], 'Argument 2 does not begin with a valid name.'],
        ['nothing before "="', [`=${CANARY}`], 'Argument 1 does not begin with a valid name.'],
        ['a name that comes twice', ['A=1', `A=${CANARY}`], 'Argument 2 gives a name a second time.'],
        ['standard input for two', ['A=-', 'B=-'], 'Argument 2 reads standard input'],
        ['a bare name without a terminal', ['ghp_canary'], 'Argument 1 has no value'],
        ['a file that is not there', [`A=@${CANARY}`], 'cannot be read'],
      ] as const)('S1: refuses %s, repeats nothing, sets nothing', async ([, words, message]) => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'set', 'GOOD=1', ...words])
        expect(ran.status).toBe(2)
        expect(ran.err).toContain(message.replace(/\d/, (digit) => String(Number(digit) + 1)))
        expect(`${ran.out}${ran.err}`).not.toMatch(/canary/)
        expect(await shell.values()).toEqual({})
      })

      it('S1: tells every problem of the arguments at once', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'set', 'a b', 'A', 'B=1', 'B=2', '--json'])
        expect(ran.status).toBe(2)
        const { error } = JSON.parse(ran.err) as { error: { problems: { message: string }[] } }
        expect(error.problems.map(({ message }) => message.slice(0, 10))).toEqual([
          'Argument 1',
          'Argument 2',
          'Argument 4',
        ])
      })

      it.for([
        [MAX_VALUE_BYTES, 0],
        [MAX_VALUE_BYTES + 1, 2],
      ] as const)('S1: takes %i bytes with status %i', async ([size, status]) => {
        await using shell = await openShell()
        await shell.file('value', new Uint8Array(size))
        expect((await shell.run(['secrets', 'set', 'A=@value'])).status).toBe(status)
        const stdin = [new Uint8Array(size - 1), new Uint8Array(1)]
        expect((await shell.run(['secrets', 'set', 'A=-'], { stdin })).status).toBe(status)
      })
    })

    describe('S2: environments of commands', () => {
      it.for([
        ['main by default', [], {}, 'main'],
        ['TRACELESS_ENV', [], { TRACELESS_ENV: 'st' }, 'st'],
        ['an empty TRACELESS_ENV as none', [], { TRACELESS_ENV: '' }, 'main'],
        ['the option before TRACELESS_ENV', ['--env', 'dev'], { TRACELESS_ENV: 'st' }, 'dev'],
        ['the short option', ['-e', 'dev'], {}, 'dev'],
      ] as const)('S2: uses %s', async ([, options, env, environment]) => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'set', 'A=1', ...options], { env })
        expect(ran.out).toBe(`Set A in ${environment}.\n`)
        expect(await shell.values(environment)).toEqual({ A: '1' })
      })

      it('S2: refuses a name of an environment that is none, without repeating it', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'set', 'A=1', '-e', `/${CANARY}`])
        expect(ran.status).toBe(2)
        expect(ran.err).not.toContain(CANARY)
      })
    })

    describe('S3: secrets list', () => {
      it('S3: has the columns of the feature table on a terminal', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', '--build-only', '--unguarded'])
        const { out } = await shell.run(['secrets', 'list'], { terminal: 200 })
        const [head, row, ...rest] = out.split('\n')
        expect(plain(head)).toBe(
          'Name Env Group Digest Status Exposure Version Created At Created By Updated At Last Used',
        )
        expect(plain(row)).toMatch(
          /^A main - [0-9a-f]{12} Live build-only, unguarded [0-9a-f]{8} \d{4}-\d\d-\d\d \d\d:\d\d \S+@\S+ .* -$/,
        )
        expect(rest).toEqual([''])
      })

      it.for([60, 80, 100])(
        'S3: leaves no column out and no line too long with %i columns',
        async (width) => {
          await using shell = await openShell()
          await shell.run(['secrets', 'set', 'A_NAME_THAT_IS_QUITE_LONG=1', 'B=2'])
          const { out } = await shell.run(['secrets', 'list'], { terminal: width })
          for (const title of ['Name', 'Digest', 'Exposure', 'Created By', 'Last Used'])
            expect(out).toContain(title)
          const longest = Math.max(...out.split('\n').map((line) => withoutColour(line).length))
          expect(longest).toBeLessThanOrEqual(width)
          expect(out).toContain('A_NAME_THAT_IS_QUITE_LONG')
        },
      )

      it('S3: gives a program lines with tabs and whole values', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        const { out } = await shell.run(['secrets', 'list'])
        const cells = out.trimEnd().split('\t')
        expect(cells).toHaveLength(10)
        expect(cells.slice(0, 3)).toEqual(['A', 'main', ''])
        expect(cells[6]).toMatch(/^[0-9a-f]{24}$/)
        expect(cells[7]).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
      })

      it('S3: lists all environments, or one of them', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        await shell.run(['secrets', 'set', 'B=1', '-e', 'st'])
        const namesOf = async (...options: string[]): Promise<string[]> =>
          ((await shell.json('secrets', 'list', ...options)) as SecretEntry[]).map(({ name }) => name).sort()
        expect(await namesOf()).toEqual(['A', 'B'])
        expect(await namesOf('-e', 'st')).toEqual(['B'])
        expect(await namesOf('--max', '1')).toHaveLength(1)
        expect(await namesOf('--created-before', '2020-01-01')).toEqual([])
        expect(await namesOf('--created-before', '2999-12-31T00:00+02:00')).toEqual(['A', 'B'])
        expect((await shell.run(['secrets', 'list'], { env: { TRACELESS_ENV: 'st' } })).out).toMatch(/^B\tst/)
      })

      it('S3: shows live and staged beside each other, and a staged removal as such', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', 'B=1'])
        await shell.run(['secrets', 'set', 'A=2', '--stage'])
        await shell.run(['secrets', 'unset', 'B', '--stage'])
        const { out } = await shell.run(['secrets', 'list'])
        const statuses = out
          .split('\n')
          .map((line) => line.split('\t').filter((_, at) => at === 0 || at === 4))
        expect(statuses.slice(0, -1).sort()).toEqual([
          ['A', 'Live'],
          ['A', 'Staged'],
          ['B', 'Live'],
          ['B', 'Staged removal'],
        ])
      })

      it.for(['0', '-1', '1.5', 'x', '1e3', ''])('S3: refuses --max %j', async (max) => {
        await using shell = await openShell()
        expect((await shell.run(['secrets', 'list', `--max=${max}`])).status).toBe(2)
      })

      it.for(['2026-02-30', '2026-13-01', '2026-1-1', '01/02/2026', '2026-01-01T12:00', 'canary', ''])(
        'S3: refuses --created-before %j without repeating it',
        async (date) => {
          await using shell = await openShell()
          const ran = await shell.run(['secrets', 'list', `--created-before=${date}`])
          expect(ran.status).toBe(2)
          if (date !== '') expect(ran.err).not.toContain(date)
        },
      )

      it('S3: tells a person, not a program, that there is nothing', async () => {
        await using shell = await openShell()
        expect(await shell.run(['secrets', 'list'])).toEqual({ status: 0, out: '', err: '' })
        const shown = await shell.run(['secrets', 'list'], { terminal: 80 })
        expect(shown).toMatchObject({ out: '' })
        expect(shown.err).toContain('traceless secrets set')
        expect(await shell.json('secrets', 'list')).toEqual([])
      })
    })

    describe('S4: secrets unset', () => {
      it('S4: removes several, and none when one is not there', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'TOKEN=1', 'B=2', 'C=3'])
        const ran = await shell.run(['secrets', 'unset', 'B', 'TOKN', 'NOPE_AT_ALL'])
        expect(ran.status).toBe(3)
        expect(ran.err).toContain('TOKN')
        expect(ran.err).toContain('NOPE_AT_ALL')
        expect(await shell.values()).toEqual({ TOKEN: '1', B: '2', C: '3' })
        expect((await shell.run(['secrets', 'unset', 'B', 'C'])).out).toBe('Removed B, C in main.\n')
        expect(await shell.values()).toEqual({ TOKEN: '1' })
      })

      it('S4: suggests the name that was meant', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'TOKEN=1'])
        expect((await shell.run(['secrets', 'unset', 'TOKN'])).err).toContain('TOKEN?')
      })

      it('S4: lets names be missing where that is allowed', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        const ran = await shell.run(['secrets', 'unset', 'A', 'B', '--allow-missing'])
        expect(ran).toMatchObject({ status: 0, out: 'Removed A in main.\n' })
        expect(ran.err).toContain('B')
      })

      it('S4: refuses a word that is no name without repeating it', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'unset', 'A', `A=${CANARY}`])
        expect(ran.status).toBe(2)
        expect(ran.err).toContain('Argument 2 is not the name of a secret.')
        expect(ran.err).not.toContain(CANARY)
      })
    })

    describe('S5: stage and deploy', () => {
      it('S5: keeps what is live until it is deployed', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', 'B=1'])
        const staged = await shell.run(['secrets', 'set', 'A=2', '--stage'])
        expect(staged.out).toBe('Staged A in main.\n')
        expect(staged.err).toContain('secrets deploy')
        expect((await shell.run(['secrets', 'unset', 'B', '--stage'])).out).toBe(
          'Staged the removal of B in main.\n',
        )
        expect(await shell.values()).toEqual({ A: '1', B: '1' })
        expect((await shell.run(['secrets', 'deploy'])).out).toBe('Deployed A, B in main.\n')
        expect(await shell.values()).toEqual({ A: '2' })
      })

      it('S5: says that a live change gave up a staged one', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        await shell.run(['secrets', 'set', 'A=2', '--stage'])
        expect((await shell.run(['secrets', 'set', 'A=3'])).err).toBe(
          'note: a staged change was given up: A\n',
        )
        expect(await shell.run(['secrets', 'deploy'])).toEqual({
          status: 0,
          out: '',
          err: 'note: nothing was staged.\n',
        })
        expect(await shell.values()).toEqual({ A: '3' })
      })

      it('S5: deploys nothing when a live version has moved, unless forced', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', 'B=1'])
        await shell.run(['secrets', 'set', 'A=2', 'B=2', '--stage'])
        await shell.run(['secrets', 'unset', 'A'])
        const ran = await shell.run(['secrets', 'deploy'])
        expect(ran.status).toBe(7)
        expect(ran.err).toContain('STORE_CONFLICT')
        expect(await shell.values()).toEqual({ B: '1' })
        expect((await shell.run(['secrets', 'deploy', '--force'])).status).toBe(0)
        expect(await shell.values()).toEqual({ A: '2', B: '2' })
      })
    })

    describe('S6: secrets import', () => {
      it.for(['-', undefined, 'secrets.env'])('S6: imports dotenv text from %s', async (file) => {
        await using shell = await openShell()
        const text = 'export A="x\\ny" # text\r\nB=\'p#ss $w "q"\'\n# comment\nC=z'
        await shell.file('secrets.env', text)
        const ran = await shell.run(['secrets', 'import', ...(file === undefined ? [] : [file])], {
          stdin: [text.slice(0, 9), text.slice(9)],
        })
        expect(ran).toEqual({ status: 0, out: 'Imported A, B, C in main.\n', err: '' })
        expect(await shell.values()).toEqual({ A: 'x\ny', B: 'p#ss $w "q"', C: 'z' })
      })

      it('S6: imports a JSON object of texts', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'import', '--from-json'], {
          stdin: ['{"A":"1","B":"\\u00e9"}'],
        })
        expect(ran.status).toBe(0)
        expect(await shell.values()).toEqual({ A: '1', B: 'é' })
      })

      it.for([
        ['an open quote', `A=1\nB="${CANARY}`, 'secrets.env:2'],
        ['a value that parsers read differently', `A=1\n\nB=p#${CANARY}`, 'secrets.env:3'],
        ['a bad name', `${CANARY}-x=1`, 'secrets.env:1'],
      ] as const)('S6: stores nothing for %s and names the line', async ([, text, place]) => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'import', await shell.file('secrets.env', text)])
        expect(ran.status).toBe(2)
        expect(ran.err).toContain(place)
        expect(ran.err).not.toContain(CANARY)
        expect(await shell.values()).toEqual({})
      })

      it('S6: does not repeat a file name that may be a value', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['secrets', 'import', CANARY])
        expect(ran.status).toBe(2)
        expect(ran.err).not.toContain(CANARY)
      })
    })

    describe('S9: exposure', () => {
      it.for([
        ['--build-only', 'build-only', true],
        ['--runtime-only', 'runtime-only', true],
        ['--unguarded', 'everywhere', false],
      ] as const)('S9: %s is kept and listed until it is taken back', async ([option, exposure, guarded]) => {
        await using shell = await openShell()
        const entries = async (): Promise<readonly unknown[]> =>
          (await shell.json('secrets', 'list')) as unknown[]
        await shell.run(['secrets', 'set', 'A=1', option])
        expect(await entries()).toMatchObject([{ exposure, guarded }])
        await shell.run(['secrets', 'set', 'A=2'])
        expect(await entries()).toMatchObject([{ exposure, guarded }])
        await shell.run(['secrets', 'set', 'A=3', '--everywhere', '--guarded'])
        expect(await entries()).toMatchObject([{ exposure: 'everywhere', guarded: true }])
      })

      it('S9: refuses two places at once', async () => {
        await using shell = await openShell()
        expect((await shell.run(['secrets', 'set', 'A=1', '--build-only', '--runtime-only'])).status).toBe(2)
        expect((await shell.run(['secrets', 'set', 'A=1', '--everywhere', '--runtime-only'])).status).toBe(2)
        expect((await shell.run(['secrets', 'set', 'A=1', '--guarded', '--unguarded'])).status).toBe(2)
      })
    })
  })
}

const withoutColour = (line: string): string => line.replace(/\u001b\[\d+m/g, '')

const plain = (line: string | undefined): string =>
  withoutColour(line ?? '')
    .replace(/ +/g, ' ')
    .trim()

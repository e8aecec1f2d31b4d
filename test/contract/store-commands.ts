/** The other commands over the store, whatever its kind. Rows as in the feature table. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { secretName } from '../../src/secret.js'
import type { HistoryEntry, VersionEntry } from '../../src/store/admin.js'
import { read } from '../support/store.js'
import type { OpenShell, Shell } from '../cli/support.js'

const CANARY = 'ghp-canary_0123456789'

/** Makes the tests for commands over one kind of store. */
export function storeCommands(kind: string, openShell: OpenShell): void {
  describe(`commands over ${kind}`, () => {
    describe('S2: environments', () => {
      it('S2: lists them with what is in them', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', 'B=2', '-e', 'st'])
        expect(await shell.json('environments', 'list')).toMatchObject([
          { name: 'main', secrets: 0, groups: 0 },
          { name: 'st', secrets: 2, groups: 0 },
        ])
        expect((await shell.run(['environments', 'list'])).out).toMatch(/^main\t0\t0\t\t\nst\t2\t0\t/)
      })

      it.for([
        ['the name is typed', ['st'], 0],
        ['another name is typed', ['main'], 130],
        ['nothing is typed', [''], 130],
      ] as const)('S2: deletes one at a terminal when %s', async ([, answers, status]) => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', '-e', 'st'])
        const ran = await shell.run(['environments', 'delete', 'st'], { terminal: 80, answers })
        expect(ran.status).toBe(status)
        expect(ran.err).toContain('1 secret and 0 groups')
        expect(await shell.values('st')).toEqual(status === 0 ? {} : { A: '1' })
      })

      it('S2: deletes one in a script with --yes only', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', '-e', 'st'])
        const refused = await shell.run(['environments', 'delete', 'st'])
        expect(refused.status).toBe(2)
        expect(refused.err).toContain('--yes')
        expect(await shell.values('st')).toEqual({ A: '1' })
        const ran = await shell.run(['environments', 'delete', 'st', '--yes'])
        expect(ran).toEqual({ status: 0, out: 'Deleted st with 1 secret and 0 groups.\n', err: '' })
        expect(await shell.values('st')).toEqual({})
      })

      it('S2: suggests the one that was meant, and repeats nothing', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', '-e', 'staging'])
        expect((await shell.run(['environments', 'delete', 'stagin', '--yes'])).err).toContain(
          'mean staging?',
        )
        const ran = await shell.run(['environments', 'delete', CANARY, '--yes'])
        expect(ran.status).toBe(3)
        expect(ran.err).not.toContain(CANARY)
      })
    })

    describe('the database', () => {
      it('is what --database names, before the variable', async () => {
        await using shell = await openShell()
        for (const words of [
          ['secrets', 'list'],
          ['groups', 'info', 'g'],
          ['environments', 'list'],
          ['usage', 'A'],
          ['history'],
          ['identity', 'list'],
        ]) {
          const ran = await shell.run([...words, '--database', 'mysql://u:canary@h/d'])
          expect(ran, words.join(' ')).toMatchObject({ status: 2, out: '' })
          expect(ran.err).toContain('PostgreSQL URL')
          expect(ran.err).not.toContain('canary')
        }
        const both = { env: { TRACELESS_DATABASE: 'postgres://127.0.0.1:1/x' } }
        expect((await shell.run(['secrets', 'list', '--database', ''], both)).status).toBe(2)
        expect((await shell.run(['secrets', 'list'], both)).status).toBe(7)
        expect((await shell.run(['secrets', 'list'])).status).toBe(0)
        const servers = ['--server', 'https://127.0.0.1:1', '--database', 'postgres://127.0.0.1:1/x']
        expect((await shell.run(['secrets', 'list', ...servers])).err).toContain('one of them')
        const served = { env: { TRACELESS_SERVER: 'https://127.0.0.1:1', TRACELESS_DATABASE: '' } }
        const local = ['secrets', 'list', '--database', 'postgres://127.0.0.1:1/x']
        expect((await shell.run(local, served)).err).toContain('No database server')
      })

      it('can be named for every command that opens the store, and for no other', async () => {
        await using shell = await openShell()
        const { out } = await shell.run(['completion', 'bash'])
        const offered = (words: string): boolean =>
          new RegExp(`^ +'traceless ${words}'\\).*--database`, 'm').test(out)
        for (const words of [
          'build',
          'scan',
          'run',
          'exec',
          'pip',
          'redact',
          'secrets set',
          'identity rotate',
        ]) {
          expect(offered(words), words).toBe(true)
        }
        for (const words of ['completion', 'identity create', 'identity export-public', 'secrets']) {
          expect(offered(words), words).toBe(false)
        }
      })
    })

    describe('S7: groups', () => {
      it('S7: makes one from arguments and a file, and shows what is in it', async () => {
        await using shell = await openShell()
        const file = await shell.file('.env', 'B=2')
        const made = await shell.run(['groups', 'create', 'npm', 'A=1', '--dotenv', file])
        expect(made).toEqual({ status: 0, out: 'Created group npm in main.\n', err: '' })
        expect(await shell.values('main', ['npm'])).toEqual({ A: '1', B: '2' })
        expect(await shell.json('groups', 'info', 'npm')).toMatchObject({ name: 'npm', keys: ['A', 'B'] })
        expect((await shell.run(['groups', 'list'])).out).toMatch(/^npm\tmain\tA B\t/)
      })

      it('S7: does not replace one, or leaves it and says so', async () => {
        await using shell = await openShell()
        await shell.run(['groups', 'create', 'npm', 'A=1'])
        expect((await shell.run(['groups', 'create', 'npm', 'A=2'])).status).toBe(7)
        const left = await shell.run(['groups', 'create', 'npm', 'A=2', '--allow-existing'])
        expect(left).toMatchObject({ status: 0, out: '' })
        expect(left.err).toContain('left as it is')
        expect(await shell.values('main', ['npm'])).toEqual({ A: '1' })
      })

      it('S7: sets some secrets of one and keeps the others', async () => {
        await using shell = await openShell()
        await shell.run(['groups', 'create', 'npm', 'A=1', 'B=1'])
        expect((await shell.run(['groups', 'update', 'npm', 'B=2', 'C=3'])).out).toBe(
          'Set B, C in group npm of main.\n',
        )
        await shell.run(['secrets', 'set', 'C=4', '--group', 'npm'])
        expect(await shell.values('main', ['npm'])).toEqual({ A: '1', B: '2', C: '4' })
        expect((await shell.run(['secrets', 'unset', 'C', '--group', 'npm'])).status).toBe(0)
        expect((await shell.run(['groups', 'update', 'npn', 'B=2'])).err).toContain('npm')
      })

      it('S7: stages changes of one, which are told with its name when they are deployed', async () => {
        await using shell = await openShell()
        await shell.run(['groups', 'create', 'npm', 'A=1'])
        await shell.run(['groups', 'update', 'npm', 'A=2', '--stage'])
        expect(await shell.values('main', ['npm'])).toEqual({ A: '1' })
        expect((await shell.run(['secrets', 'deploy'])).out).toBe('Deployed A (group npm) in main.\n')
        expect(await shell.values('main', ['npm'])).toEqual({ A: '2' })
      })

      it('S7: fails for a group that lacks required secrets, naming all', async () => {
        await using shell = await openShell()
        await shell.run(['groups', 'create', 'npm', 'A=1'])
        const ran = await shell.run([
          'groups',
          'info',
          'npm',
          '--require',
          'B',
          '--require',
          'A',
          '--require',
          'C',
        ])
        expect(ran.status).toBe(3)
        expect(ran.err).toContain('B, C')
      })

      it('S7: reads standard input once only', async () => {
        await using shell = await openShell()
        const both = await shell.run(['groups', 'create', 'npm', 'A=-', '--dotenv', '-'], { stdin: ['B=1'] })
        expect(both.status).toBe(2)
        expect(
          (await shell.run(['groups', 'create', 'npm', '--dotenv', '-'], { stdin: ['B=1'] })).status,
        ).toBe(0)
        expect(await shell.values('main', ['npm'])).toEqual({ B: '1' })
      })

      it('S7: deletes one after asking, and knows one that may be missing', async () => {
        await using shell = await openShell()
        await shell.run(['groups', 'create', 'npm', 'A=1'])
        expect((await shell.run(['groups', 'delete', 'npm'])).status).toBe(2)
        const kept = await shell.run(['groups', 'delete', 'npm'], { terminal: 80, answers: ['nmp'] })
        expect(kept.status).toBe(130)
        expect(await shell.json('groups', 'list')).toHaveLength(1)
        const gone = await shell.run(['groups', 'delete', 'npm'], { terminal: 80, answers: ['npm'] })
        expect(gone).toMatchObject({ status: 0, out: 'Deleted group npm of main.\n' })
        expect((await shell.run(['groups', 'delete', 'npm'])).status).toBe(3)
        expect((await shell.run(['groups', 'delete', 'npm', '--allow-missing'])).status).toBe(0)
      })
    })

    describe('S10: identity', () => {
      it('S10: prints the public key, which is no secret, and nothing of the private one', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        const { out } = await shell.run(['identity', 'export-public'])
        expect(out).toMatch(/^traceless-public-1\.[\w-]{43}\n$/)
        const [entry] = (await shell.json('identity', 'list')) as { publicKey: string; ready: boolean }[]
        expect(entry).toMatchObject({ publicKey: out.trim(), ready: true, pinned: true })
      })

      it('S10: exchanges the identity, and values stay readable', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', 'B=2'])
        const before = await readFile(join(shell.folder, 'home', 'identity'), 'utf8')
        const ran = await shell.run(['identity', 'rotate'])
        expect(ran.out).toMatch(/^Rotated the identity to [0-9a-f]{32}; 2 values sealed anew\.\n$/)
        expect(await readFile(join(shell.folder, 'home', 'identity'), 'utf8')).not.toBe(before)
        expect(await shell.values()).toEqual({ A: '1', B: '2' })
      })

      it('S10: makes an identity that another store is then sealed to, without making a store', async () => {
        await using shell = await openShell()
        await using other = await openShell()
        const made = await other.run(['identity', 'create'])
        expect(made.out).toMatch(/^traceless-public-1\./)
        expect(made.err).toContain('identity is the private key')
        expect((await other.run(['identity', 'export-public'])).out).toBe(made.out)
        expect((await other.run(['identity', 'create'])).status).toBe(7)
        await expect(readFile(join(other.folder, 'home', 'store.db'))).rejects.toThrow('ENOENT')

        await shell.run(['secrets', 'set', 'A=1'])
        const added = await shell.run(['identity', 'add', made.out.trim()])
        expect(added.out).toMatch(/; 1 value sealed to it\.\n$/)
        const entries = (await shell.json('identity', 'list')) as { fingerprint: string; publicKey: string }[]
        expect(entries).toHaveLength(2)
        const theirs = entries.find(({ publicKey }) => publicKey === made.out.trim())?.fingerprint ?? ''
        expect((await shell.run(['identity', 'remove', theirs])).out).toBe(`Removed ${theirs}.\n`)
        expect((await shell.run(['identity', 'remove', theirs])).err).toContain('not sealed to a key')
        expect(await shell.json('identity', 'list')).toHaveLength(1)
      })

      it('S10: pins exactly the fingerprints that were compared', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        const [entry] = (await shell.json('identity', 'list')) as { fingerprint: string }[]
        expect((await shell.run(['identity', 'trust', entry?.fingerprint ?? ''])).out).toBe('Pinned 1 key.\n')
        expect((await shell.run(['identity', 'trust', '0'.repeat(32)])).status).toBe(7)
      })

      it('S10: does not repeat a private key that was given for a public one', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        const file = await readFile(join(shell.folder, 'home', 'identity'), 'utf8')
        const key = /traceless-identity-1\.\S+/.exec(file)?.[0] ?? ''
        const ran = await shell.run(['identity', 'add', key])
        expect(ran.status).toBe(2)
        expect(ran.err).not.toContain(key.slice(-20))
      })

      it('S10: says where there is no identity', async () => {
        await using shell = await openShell()
        const ran = await shell.run(['identity', 'export-public'])
        expect(ran.status).toBe(7)
        expect(ran.err).toContain('identity create')
      })
    })

    describe('S11: versions and history', () => {
      it('S11: tells who changed and read a secret, newest first', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1', 'B=1'])
        await shell.run(['secrets', 'set', 'A=2', '--stage'])
        await shell.run(['secrets', 'deploy'])
        await read(await shell.store())
        const entries = (await shell.json('history', 'A')) as HistoryEntry[]
        expect(entries.map(({ action }) => action)).toEqual(['read', 'deploy', 'stage', 'set'])
        expect(entries.every(({ actor }) => actor.includes('@'))).toBe(true)
        expect(await shell.json('secrets', 'history', 'A')).toEqual(entries)
        expect(((await shell.json('history')) as HistoryEntry[]).map(({ name }) => name)).toContain('B')
        expect(await shell.json('history', 'A', '--max', '1')).toEqual(entries.slice(0, 1))
      })

      it.for([24, 8])('S11: makes a version live again by %i digits of it', async (digits) => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        await shell.run(['secrets', 'set', 'A=2'])
        const versions = (await shell.json('secrets', 'versions', 'A')) as VersionEntry[]
        expect(versions.map(({ live, kept }) => ({ live, kept }))).toEqual([
          { live: true, kept: true },
          { live: false, kept: true },
        ])
        const to = versions[1]?.version.slice(0, digits) ?? ''
        expect((await shell.run(['secrets', 'rollback', 'A', '--to', to])).out).toBe(
          'Rolled back A in main.\n',
        )
        expect(await shell.values()).toEqual({ A: '1' })
        expect((await shell.run(['secrets', 'versions', 'A'])).out).toMatch(/\tKept\t.*\n.*\tLive\t/)
      })

      it.for(['00000000', '0000', 'x', ''])('S11: changes nothing for the version %j', async (to) => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        await shell.run(['secrets', 'set', 'A=2'])
        expect((await shell.run(['secrets', 'rollback', 'A', `--to=${to}`])).status).toBe(3)
        expect(await shell.values()).toEqual({ A: '2' })
      })

      it('S11: knows a name that was never set', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'TOKEN=1'])
        for (const command of ['history', 'usage']) {
          const ran = await shell.run([command, 'TOKN'])
          expect(ran.status).toBe(3)
          expect(ran.err).toContain('Did you mean TOKEN?')
        }
      })
    })

    describe('S12: usage', () => {
      it('S12: lists the images that an outdated version went into', async () => {
        await using shell = await openShell()
        await useIn(shell, 'build-1')
        expect((await shell.run(['usage', 'A'], { terminal: 120 })).err).toBe('')
        await shell.run(['secrets', 'set', 'A=2'])
        const { out } = await shell.run(['secrets', 'usage', 'A'])
        const cells = out.trimEnd().split('\t')
        expect([cells[1], cells[4], cells[5], cells[6]]).toEqual([
          'build',
          'Outdated',
          'app:1 app:latest',
          `sha256:${'ab'.repeat(32)}`,
        ])
        const shown = await shell.run(['usage', 'A'], { terminal: 120 })
        expect(shown.out).toContain('abababababab')
        expect(shown.err).toContain('build them anew')
        expect(await shell.json('usage', 'A')).toMatchObject([{ id: 'build-1', current: false }])
      })

      it('S12: says that nothing has used it', async () => {
        await using shell = await openShell()
        await shell.run(['secrets', 'set', 'A=1'])
        expect((await shell.run(['usage', 'A'], { terminal: 80 })).err).toContain('No build and no run')
        expect(await shell.json('usage', 'A')).toEqual([])
      })
    })
  })
}

async function useIn(shell: Shell, id: string): Promise<void> {
  await shell.run(['secrets', 'set', 'A=1'])
  const store = await shell.store()
  const [entry] = await store.admin.list()
  await store.usage.record({
    kind: 'build',
    id,
    environment: 'main',
    image: `sha256:${'ab'.repeat(32)}`,
    tags: ['app:1', 'app:latest'],
    used: [{ name: secretName('A'), group: null, version: entry?.version ?? '' }],
  })
}

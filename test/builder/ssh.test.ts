/** SSH in requests: which mount means which agent, which key is for which server, and what is wrong with a request. */

import { describe, expect, it } from 'vitest'
import { readDockerfile } from '../../src/builder/dockerfile-read.js'
import { readMount, writeSshMount, type SshMount } from '../../src/builder/secret-mount.js'
import { keyMounts, readSshAccess, sshFiles } from '../../src/builder/ssh-keys.js'
import { agentProblems, checkAgents } from '../../src/builder/ssh-mounts.js'
import { Fault } from '../../src/errors.js'
import { secretName, SecretValue } from '../../src/secret.js'
import { parseRequirements } from '../../src/substitute/index.js'
import { temporaryFolder } from '../support/folder.js'

const plain: SshMount = {
  id: 'default',
  target: undefined,
  required: true,
  mode: undefined,
  uid: undefined,
  gid: undefined,
}

describe('a mount of type ssh', () => {
  it.for<[text: string, expected: Partial<SshMount>]>([
    ['type=ssh', {}],
    ['TYPE=SSH,id=', {}],
    [
      'type=ssh,id=deploy,target=/a,mode=0600,uid=1,gid=2',
      { id: 'deploy', target: '/a', mode: '0600', uid: '1', gid: '2' },
    ],
    ['type=ssh,required', {}],
    ['type=ssh,required=false', { required: false }],
  ])('%s', ([text, expected]) => {
    expect(readMount(text)).toEqual({ type: 'ssh', mount: { ...plain, ...expected } })
  })

  it.for(['type=ssh,id=$X', 'type=ssh,env=X', 'type=ssh,required=maybe', 'type=ssh,size=1'])(
    '%s is invalid',
    (text) => {
      expect(readMount(text).type).toBe('invalid')
    },
  )

  it('leaves its path to BuildKit where none is written', () => {
    expect(writeSshMount({ ...plain, id: 's-1', required: true })).toBe(
      '--mount=type=ssh,id=s-1,required=true',
    )
  })
})

const stepsOf = (text: string) =>
  readDockerfile(text, { file: 'Dockerfile', buildArgs: new Map(), namedContexts: new Set() })

describe('B3: agents that steps mount', () => {
  const about = (
    text: string,
    given: Parameters<typeof checkAgents>[0],
    allowMissing: readonly string[] = [],
  ) =>
    agentProblems(
      stepsOf(text).stages.flatMap(({ sshMounts }) => sshMounts),
      {
        agents: checkAgents(given).agents,
        known: [secretName('KEY')],
        file: 'Dockerfile',
        allowMissing: new Set(allowMissing),
      },
    ).map(({ message, hint }) => `${message} ${hint ?? ''}`)

  it('are there, or missing, or not used', () => {
    const step = (flag: string): string => `FROM x\nRUN --mount=${flag} git clone x`
    expect(about(step('type=ssh'), { default: { name: 'KEY' } })).toEqual([])
    expect(about(step('type=ssh'), {}).join()).toContain('--ssh default')
    expect(about(step('type=ssh,required=false'), {})).toEqual([])
    expect(about(step('type=ssh'), {}, ['default'])).toEqual([])
    expect(about(step('type=ssh,id=deploy'), { deplo: { name: 'KEY' } }).join()).toContain(
      'Did you mean deploy?',
    )
    expect(about(step('type=ssh'), { default: { name: 'KEI' } }).join()).toContain('Did you mean KEY?')
  })

  it('are refused in a trigger, which would run in a build that does not know of it', () => {
    const { stages } = stepsOf('FROM x\nONBUILD RUN --mount=type=ssh true')
    expect(stages[0]?.hasOnBuildSecret).toBe(true)
  })
})

describe('R2: keys for a list', () => {
  const servers = 'h ssh-ed25519 AAAA\n'
  const ask = async (request: Readonly<Record<string, unknown>>, lines: readonly string[] = []) => {
    const list = await parseRequirements({ lines }, async () => null)
    const whole = { requirements: lines, base: 'b', ...request }
    return readSshAccess(whole, { list, known: [secretName('KEY')] })
  }

  it('are refused where they would be used with servers that nobody named', async () => {
    await using folder = await temporaryFolder({ known: servers, empty: '# nothing\n' })
    const wordsOf = async (...args: Parameters<typeof ask>): Promise<string> =>
      (await ask(...args)).problems.map(({ message }) => message).join()
    expect(await wordsOf({}, ['a @ git+ssh://git@h/a.git'])).toContain('over SSH needs a key')
    expect(await wordsOf({ sshKeys: [{ name: 'KEY' }] })).toContain('public keys of the servers')
    const known = { knownHosts: folder.file('known') }
    expect(await wordsOf({ sshKeys: [{ name: 'KEY' }], knownHosts: folder.file('empty') })).toContain(
      'public keys',
    )
    expect(await wordsOf({ sshKeys: [{ name: 'KEI' }], ...known })).toContain('no secret KEI')
    expect(await wordsOf({ sshKeys: [{ name: 'KEY' }, { name: 'KEY' }], ...known })).toContain('same host')
    expect(await wordsOf({ sshKeys: [{ name: 'KEY', host: 'h\nProxyCommand x' }], ...known })).toContain(
      'name of a stored',
    )
    expect(await wordsOf(known)).toContain('no SSH key')
    expect(await wordsOf({ sshKeys: [{ name: 'KEY' }], ...known })).toBe('')
  })

  it('reach the one host that each is for, and only servers that are known', async () => {
    await using folder = await temporaryFolder({ known: servers })
    const sshKeys = [{ name: 'KEY' }, { name: 'KEY', host: 'h' }]
    const { access } = await ask({ sshKeys, knownHosts: folder.file('known') })
    const files = new Map([...sshFiles(access)].map(([path, bytes]) => [path, Buffer.from(bytes).toString()]))
    const config = files.get('.traceless-programs/ssh_config') ?? ''
    // ssh takes the first value: the named host comes before every host.
    expect(config).toMatch(
      /^Host h\n {2}IdentityAgent \/tmp\/\.traceless-agent-1\nHost \*\n {2}IdentityAgent \/tmp\/\.traceless-agent-0\n/,
    )
    expect(config).toContain('StrictHostKeyChecking yes')
    expect(config).toContain('IdentityFile none')
    expect(files.get('.traceless-programs/known_hosts')).toBe(servers)
  })

  it('have to be keys', async () => {
    await using folder = await temporaryFolder({ known: servers })
    const { access } = await ask({ sshKeys: [{ name: 'KEY' }], knownHosts: folder.file('known') })
    const held = {
      name: secretName('KEY'),
      value: SecretValue.fromText('no key'),
      version: 'v',
      group: null,
      guarded: true,
    }
    const stored = new Map([[held.name, held]])
    await expect(keyMounts(access, { stored } as unknown as Parameters<typeof keyMounts>[1])).rejects.toThrow(
      Fault,
    )
  })
})

/** The Dockerfile that installs a list: who runs what, with which mounts, in which order. */

import { describe, expect, it } from 'vitest'
import { installDockerfile } from '../../src/builder/install-recipe.js'
import type { InstallRecipe } from '../../src/builder/recipe-parts.js'
import { readDockerfile } from '../../src/builder/dockerfile-read.js'
import { RECIPE } from './recipe.js'

const MOUNTS: InstallRecipe['mounts'] = [
  { kind: 'git-credential', id: 's-git', scope: 'https://h:3000' },
  { kind: 'netrc', id: 's-netrc' },
]

const linesOf = (more: Partial<InstallRecipe>): readonly string[] =>
  installDockerfile({ ...RECIPE, ...more })
    .dockerfile.trimEnd()
    .split('\n')
const keywords = (lines: readonly string[]): string => lines.map((line) => line.split(' ')[0]).join(' ')
const runOf = (more: Partial<InstallRecipe>): string =>
  linesOf(more).find((line) => line.startsWith('RUN --mount')) ?? ''

describe('the installing Dockerfile', () => {
  it('runs the secret step right behind the base and its distribution packages', () => {
    const lines = linesOf({
      baseUser: 'app:app',
      apt: ['git', 'ca-certificates'],
      workdir: '/app',
      copy: [{ from: 'a b', to: '/app/' }],
      mounts: MOUNTS,
    })
    expect(keywords(lines)).toBe('FROM USER RUN RUN USER WORKDIR COPY')
    expect(lines[1]).toBe('USER 0:0')
    expect(lines[2]).toContain('apt-get install -y --no-install-recommends git ca-certificates')
    expect(lines[4]).toBe('USER app:app')
    expect(lines[6]).toBe('COPY ["a b","/app/"]')
  })

  it.for(['', 'root', '0', '0:0', 'root:root'])(
    'leaves the user alone where the base runs as "%s"',
    (baseUser) => {
      expect(keywords(linesOf({ baseUser }))).toBe('FROM RUN')
    },
  )

  it('makes an environment where the distribution forbids its own', () => {
    const lines = linesOf({ facts: { ...RECIPE.facts, externallyManaged: true } })
    expect(keywords(lines)).toBe('FROM RUN ENV')
    expect(lines[1]).toContain('python3 -m venv --without-pip /opt/venv && ')
    expect(lines[1]).toContain('python3 -m pip --python /opt/venv/bin/python install -r')
    expect(lines[2]).toBe('ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH')
  })

  it('takes only wheels out of the stage that saw a filled list', () => {
    const lines = linesOf({
      mode: 'filled',
      mounts: [{ kind: 'list', id: 's-list', path: 'requirements.txt' }],
    })
    expect(keywords(lines)).toBe('FROM RUN FROM RUN')
    expect(lines[0]).toBe('FROM base:1 AS traceless-wheels')
    expect(lines[1]).toContain(
      '--mount=type=secret,id=s-list,target=/mnt/requirements.txt,mode=0400,required=true',
    )
    expect(lines[3]).not.toContain('type=secret')
    expect(lines[3]).toContain('--mount=type=bind,from=traceless-wheels,source=/traceless-wheels,target=/mnt')
    expect(lines[3]).toContain('install --no-index --no-deps --find-links /mnt')
  })

  it('lists the commits in a stage that stands on the image, without a secret', () => {
    const lines = linesOf({ mounts: MOUNTS, hasRepositories: true, baseUser: 'app' })
    expect(keywords(lines)).toBe('FROM USER RUN USER FROM USER RUN')
    expect(lines.slice(4).join(' ')).not.toContain('type=secret')
  })

  it('gives uv the same mounts, and its own words for the settings', () => {
    const run = runOf({ installer: 'uv', mounts: MOUNTS })
    expect(run).toContain('NETRC=/tmp/.traceless-secret-1 ')
    expect(run).toContain('GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=http.followRedirects')
    expect(run).toContain('UV_NO_CACHE=1 ')
    expect(run).toContain('uv pip install --python \\"$(command -v python3)\\" -r /mnt/requirements.txt')
    expect(run).not.toContain('python3 -m pip')
    const managed = runOf({ installer: 'uv', facts: { ...RECIPE.facts, externallyManaged: true } })
    expect(managed).toContain('uv pip install --python /opt/venv/bin/python -r')
  })

  it('requires every mount, and gives it to root alone', () => {
    const dockerfile = readDockerfile(installDockerfile({ ...RECIPE, mounts: MOUNTS }).dockerfile, {
      file: 'Dockerfile',
      buildArgs: new Map(),
      namedContexts: new Set(),
    })
    const mounts = dockerfile.stages.flatMap((stage) => stage.mounts.map(({ mount }) => mount))
    expect(mounts).toEqual([
      {
        id: 's-git',
        target: '/tmp/.traceless-secret-0',
        required: true,
        mode: '0400',
        env: undefined,
        uid: undefined,
        gid: undefined,
      },
      {
        id: 's-netrc',
        target: '/tmp/.traceless-secret-1',
        required: true,
        mode: '0400',
        env: undefined,
        uid: undefined,
        gid: undefined,
      },
    ])
  })

  it('gives git a helper for its scope, and pip the netrc file by name', () => {
    const run = runOf({ mounts: MOUNTS })
    expect(run).toContain('NETRC=/tmp/.traceless-secret-1')
    expect(run).toContain('GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=http.followRedirects GIT_CONFIG_VALUE_0=false')
    // The first one takes away what the base has for that scope.
    expect(run).toContain("GIT_CONFIG_KEY_1=credential.https://h:3000.helper GIT_CONFIG_VALUE_1='' ")
    expect(run).toContain('GIT_CONFIG_KEY_2=credential.https://h:3000.helper')
    expect(run).toContain('cat /tmp/.traceless-secret-0; }; f')
    expect(run).not.toContain('HOME=')
  })

  it('gives a Git that knows no settings in its environment the netrc file in its home folder', () => {
    const run = runOf({ git: 'netrc', mounts: [{ kind: 'netrc', id: 's-netrc' }] })
    expect(run).toContain('--mount=type=secret,id=s-netrc,target=/root/.netrc,mode=0400,required=true')
    expect(run).toContain(' HOME=/root ')
    expect(run).toContain(' NETRC=/root/.netrc ')
    expect(JSON.parse(run.slice(run.indexOf('['))) as unknown).toContainEqual(
      expect.stringContaining(String.raw`GIT_CONFIG_PARAMETERS=''\''http.followRedirects=false'\'''`),
    )
    expect(run).not.toContain('GIT_CONFIG_COUNT')
  })

  it('follows no redirect, asks nothing and keeps nothing', () => {
    for (const git of ['helper', 'netrc'] as const) expect(runOf({ git })).toContain('http.followRedirects')
    for (const setting of ['PIP_NO_CACHE_DIR=1', 'PIP_NO_INPUT=1', 'GIT_TERMINAL_PROMPT=0'])
      expect(runOf({})).toContain(setting)
  })
})

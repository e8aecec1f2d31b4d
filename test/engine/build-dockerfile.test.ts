/** Builds from Dockerfiles: every way to mount a secret gives the step the value, and leaves nothing behind. */

import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DockerfileRequest } from '../../src/builder/request.js'
import { isAtLeast } from '../../src/docker/gates.js'
import type { Fault, FaultCode } from '../../src/errors.js'
import { faultOf, resultOf, startBuilds, type Builds, type Outcome } from '../support/builds.js'
import { openDocker, runIn } from '../support/engine.js'
import { temporaryFolder } from '../support/folder.js'
import { printablePassword, randomToken } from '../support/tokens.js'

const BASE = 'traceless-base:tiny'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

let builds: Builds
beforeAll(async () => {
  builds = await startBuilds()
})
afterAll(() => builds[Symbol.asyncDispose]())

describe('B2: a Dockerfile of one’s own', () => {
  it('B2: mounts with every option, broken, quoted and aliased, several in a step', async () => {
    const [plain, password, other] = [randomToken(), printablePassword(), randomToken()]
    await builds.set({ PLAIN: plain, PASSWORD: password })
    const tag = builds.image()
    const text = [
      '# syntax=docker/dockerfile:1',
      `FROM ${BASE}`,
      'WORKDIR /work',
      // Default target, and the folder of the working directory for a relative one.
      'RUN --mount=type=secret,id=PLAIN,required sha256sum < /run/secrets/PLAIN > /default',
      'RUN --mount=type=secret,id=PLAIN,dst=here sha256sum < /work/here > /relative',
      // Owner and mode.
      'RUN --mount=type=secret,id=PLAIN,target=/owned,uid=12,gid=34,mode=0440,required=true stat -c "%u:%g %a" /owned > /owner',
      // Quoted as a whole, quoted by field, keys in any case, aliases, the last of two equal keys.
      `RUN --mount="type=secret,source=PASSWORD,target=/quoted" sha256sum < /quoted > /whole`,
      `RUN --mount='type=secret,"id=PASSWORD",TARGET=/first,destination=/field' sha256sum < /field > /fields`,
      // The id is the last part of the target.
      'RUN --mount=type=secret,target=/deep/down/other sha256sum < /deep/down/other > /from-target',
      // Broken over lines, with a comment between, and two mounts in one step.
      'RUN --mount=type=secret,id=PLA\\',
      'IN,target=/a \\',
      '# a comment',
      '    --mount=type=secret,id=PASSWORD,target=/b \\',
      '    cat /a /b | sha256sum > /both',
      // Optional, and not given.
      'RUN --mount=type=secret,id=ABSENT,required=false test ! -e /run/secrets/ABSENT',
      'RUN --mount=type=secret,id=ALLOWED,required=true,target=/allowed test ! -e /allowed',
    ].join('\n')
    const outcome = await builds.build({
      dockerfile: { text },
      secrets: { other },
      allowMissing: ['ALLOWED'],
      tags: [tag],
    })
    const { report } = resultOf(outcome)
    expect(report.verdict).toBe('clean')
    expect(report.guarded).toEqual(expect.arrayContaining(['PLAIN', 'PASSWORD', 'other']))
    const { output } = await runIn(
      tag,
      'for f in default relative owner whole fields from-target both; do echo "$f $(cat /$f)"; done',
    )
    expect(
      Object.fromEntries(
        output
          .trim()
          .split('\n')
          .map((line) => line.split(/ (.*)/).slice(0, 2)),
      ),
    ).toEqual({
      default: `${sha256(plain)}  -`,
      relative: `${sha256(plain)}  -`,
      owner: '12:34 440',
      whole: `${sha256(password)}  -`,
      fields: `${sha256(password)}  -`,
      'from-target': `${sha256(other)}  -`,
      both: `${sha256(plain + password)}  -`,
    })
    expect(await builds.traces([plain, password, other], { images: [tag] })).toEqual([])
  })

  it('B6: people see their own ids and lines, and the value is masked where a step prints it', async () => {
    const token = randomToken()
    await builds.set({ SHOWN: token })
    const outcome = await builds.build({
      dockerfile: {
        text: `FROM ${BASE}\nRUN --mount=type=secret,id=SHOWN echo "it is $(cat /run/secrets/SHOWN)" && base64 /run/secrets/SHOWN >&2\n`,
      },
      tags: [builds.image()],
    })
    resultOf(outcome)
    expect(outcome.log).toContain('it is ***')
    expect(outcome.steps('done').join('\n')).toContain('RUN --mount=type=secret,id=SHOWN echo')
    expect(outcome.texts['events']).not.toMatch(/s-[0-9a-f]{32}/)
    expect(await builds.traces([token])).toEqual([])
  })

  it('B2: target, arguments, labels, hosts, networks and files that are ignored', async () => {
    const [tag, another] = [builds.image(), builds.image()]
    await using context = await temporaryFolder({
      'app.txt': 'kept',
      'secret.env': 'ignored',
      'sub/more.txt': 'kept',
      '.dockerignore': '*.env\n!sub/keep.env\n',
      'sub/keep.env': 'kept',
      'Dockerfile.test': [
        `ARG WHICH=none`,
        'FROM ${WHICH} AS base',
        'ARG GREETING',
        'RUN echo "$GREETING" > /greeting && cat /etc/hosts > /hosts && (ls /sys/class/net > /links)',
        'COPY . /app',
        'FROM base AS wanted',
        'RUN echo wanted > /wanted',
        'FROM base AS unwanted',
        'RUN false',
      ].join('\n'),
    })
    const outcome = await builds.build({
      dockerfile: { path: context.file('Dockerfile.test') },
      context: context.path,
      target: 'Wanted',
      buildArgs: { WHICH: BASE, GREETING: `hello ${tag}` },
      labels: { 'org.example.name': 'a=b' },
      extraHosts: ['index.internal:127.0.0.9'],
      network: 'none',
      tags: [tag, another],
    })
    expect(resultOf(outcome)).toMatchObject({ tags: [tag, another], report: { verdict: 'clean' } })
    const { output } = await runIn(
      another,
      'cat /greeting; grep -c index.internal /hosts; cat /links; cd /app; find . -type f | sort; cat /wanted',
    )
    expect(output.trim().split('\n')).toEqual([
      `hello ${tag}`,
      '1',
      'lo',
      './.dockerignore',
      './Dockerfile.test',
      './app.txt',
      './sub/keep.env',
      './sub/more.txt',
      'wanted',
    ])
    const image = await openDocker().getImage(tag).inspect()
    expect(image.Config.Labels).toMatchObject({ 'org.example.name': 'a=b' })
  })

  it('B1: an image that nobody has is said to be missing, before any step', async () => {
    const outcome = await builds.build({
      dockerfile: { text: 'FROM 127.0.0.1:1/nobody/nothing:1\nRUN true' },
      tags: [builds.image()],
    })
    expect(faultOf(outcome, 'BASE_UNSUITABLE').message).toContain('127.0.0.1:1/nobody/nothing:1')
    expect(outcome.steps('started')).toEqual([])
  })
})

describe('B3: what is missing or misplaced is told before anything starts', () => {
  const refused = async (
    text: string,
    code: FaultCode,
    more: Partial<DockerfileRequest> = {},
  ): Promise<{ fault: Fault; outcome: Outcome }> => {
    const outcome = await builds.build({ dockerfile: { text }, tags: [builds.image()], ...more })
    const fault = faultOf(outcome, code)
    // The engine may load the context; it must not have begun a step of the Dockerfile.
    expect(outcome.steps('started').filter((name) => !name.startsWith('[internal]'))).toEqual([])
    return { fault, outcome }
  }

  it('B3: required secrets without a value, misspelt and unused ones, with their lines', async () => {
    await builds.set({ NPM_TOKEN: randomToken() })
    const text = [
      `FROM ${BASE}`,
      'RUN --mount=type=secret,id=NPM_TOKNE,required true',
      'RUN --mount=type=secret,id=GONE,required true',
    ].join('\n')
    const { fault } = await refused(text, 'REQUEST_INVALID', {
      secrets: { spare: randomToken(), empty: null },
    })
    expect(fault.problems).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          code: 'SECRET_UNKNOWN',
          line: 2,
          column: 5,
          hint: 'Did you mean NPM_TOKEN?',
        }),
        expect.objectContaining({ code: 'SECRET_UNKNOWN', line: 3, column: 5 }),
        expect.objectContaining({ message: 'The secret spare is given, and no step mounts it.' }),
        expect.objectContaining({ message: 'The secret empty has no value: it is null.' }),
      ]),
    )
    const alone = await refused(
      `FROM ${BASE}\nRUN --mount=type=secret,id=GONE,required true`,
      'SECRET_UNKNOWN',
    )
    expect(alone.fault.hint).toContain('--allow-missing GONE')
  })

  it('B3: an id with a variable, which not every engine expands', async () => {
    const text = `FROM ${BASE}\nARG WHICH=PLAIN\nRUN --mount=type=secret,id=\${WHICH},required true`
    const { fault } = await refused(text, 'DOCKERFILE_INVALID')
    expect(fault.problems).toEqual([expect.objectContaining({ line: 3 })])
  })

  it.for<{ name: string; since: string } & Partial<DockerfileRequest>>([
    { name: 'here-documents', since: '23.0.0', dockerfile: { text: `FROM ${BASE}\nRUN <<EOF\ntrue\nEOF` } },
    {
      name: 'env',
      since: '27.3.0',
      dockerfile: { text: `FROM ${BASE}\nRUN --mount=type=secret,id=x,env=X test -n "$X"` },
      secrets: { x: randomToken() },
    },
    {
      name: 'other contexts',
      since: '23.0.0',
      dockerfile: { text: `FROM ${BASE}\nCOPY --from=elsewhere /bin/busybox /x` },
      buildContexts: { elsewhere: `docker-image://${BASE}` },
    },
    {
      name: 'a cgroup',
      since: '23.0.0',
      dockerfile: { text: `FROM ${BASE}\nRUN cat /proc/self/cgroup` },
      cgroupParent: '/traceless-test',
    },
  ])('B2: $name, and an engine that is too old for it', async ({ name: _, since, ...request }) => {
    const outcome = await builds.build({ dockerfile: { text: '' }, ...request, tags: [builds.image()] })
    if (isAtLeast(builds.engine.info.version, since)) {
      resultOf(outcome)
      return
    }
    expect(faultOf(outcome, 'ENGINE_UNSUPPORTED').message).toContain(`need Docker ${since} or newer`)
    expect(outcome.steps('started')).toEqual([])
  })

  it('V6: steps are held within the limits of the cgroup that is named for them', async ({ skip }) => {
    const cgroupParent = `/traceless-limit-${randomUUID()}`
    const build = async (text: string): Promise<Outcome> =>
      builds.build({ dockerfile: { text: `FROM ${BASE}\n${text}` }, cgroupParent, tags: [builds.image()] })
    if (!isAtLeast(builds.engine.info.version, '23.0.0')) skip('this engine knows no cgroup of a build')
    // The first build makes the cgroup, of whichever version the machine has.
    resultOf(await build(`RUN : ${cgroupParent}`))
    const limit =
      [
        `/sys/fs/cgroup/memory${cgroupParent}/memory.limit_in_bytes`,
        `/sys/fs/cgroup${cgroupParent}/memory.max`,
      ].find((file) => existsSync(file)) ?? skip('the cgroups of this engine are not to be seen from here')
    await writeFile(limit, String(32 << 20))
    const fault = faultOf(await build('RUN busybox tail -c 100m /dev/zero'), 'BUILD_FAILED')
    expect(fault.message).toContain('failed with exit status 137')
    expect(fault.hint).toContain('memory')
  })

  it('B3: triggers and foreign frontends, whose mounts would not be ours', async () => {
    const trigger = [
      `FROM ${BASE} AS parent`,
      'ONBUILD RUN --mount=type=secret,id=PLAIN true',
      'FROM parent',
      'RUN true',
    ].join('\n')
    await refused(trigger, 'DOCKERFILE_INVALID')
    await refused(`# syntax=example.com/frontend\nFROM ${BASE}\nRUN true`, 'DOCKERFILE_INVALID')
  })

  it.for(['raw', 'base64', 'hex'] as const)('B3: a value that stands in the context as %s', async (form) => {
    const token = randomToken()
    await builds.set({ IN_CONTEXT: token })
    await using context = await temporaryFolder({
      'src/settings.txt': `token = ${form === 'raw' ? token : Buffer.from(token).toString(form)}\n`,
      'src/other.txt': 'x'.repeat(100_000),
    })
    const { fault } = await refused(`FROM ${BASE}\nRUN echo started\nCOPY . /app`, 'SECRET_IN_INPUT', {
      context: context.path,
    })
    expect(`${fault.message} ${JSON.stringify(fault)}`).toContain('settings.txt')
    await context[Symbol.asyncDispose]()
    expect(await builds.traces([token])).toEqual([])
  })

  it('B3: a value that stands in the Dockerfile, a build argument, a label or a host entry', async () => {
    const token = randomToken()
    await builds.set({ MISPLACED: token })
    const places = [
      { dockerfile: { text: `FROM ${BASE}\nRUN echo ${token}` } },
      { buildArgs: { ARGUMENT: token } },
      { labels: { label: token } },
      { extraHosts: [`${token}:127.0.0.1`] },
    ]
    for (const place of places) {
      const { fault } = await refused(`FROM ${BASE}\nRUN true`, 'SECRET_IN_INPUT', place)
      expect(fault.message).toContain('MISPLACED')
    }
    expect(await builds.traces([token])).toEqual([])
  })

  it('B3: nothing is built for a request that is only checked', async () => {
    const outcome = await builds.build({ dockerfile: { text: `FROM ${BASE}` }, checkOnly: true })
    expect(outcome).toMatchObject({ result: null, fault: undefined })
    expect(outcome.events).toEqual([{ type: 'phase', phase: 'check' }])
  })
})

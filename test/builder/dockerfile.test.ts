import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readDockerfile, type ReadDockerfile } from '../../src/builder/dockerfile-read.js'
import {
  isForeignFrontend,
  reachedStages,
  rewriteDockerfile,
  stagesToRead,
  targetStage,
} from '../../src/builder/dockerfile-rewrite.js'
import { writeMount, writeSshMount } from '../../src/builder/secret-mount.js'

const read = (text: string, buildArgs: Record<string, string> = {}): ReadDockerfile =>
  readDockerfile(text, {
    file: 'Dockerfile',
    buildArgs: new Map(Object.entries(buildArgs)),
    namedContexts: new Set(),
  })

/** Every secret mount gets the id `ID`, is required, and nothing else changes. */
const rewritten = (text: string): string => {
  const dockerfile = read(text)
  const flags = new Map<unknown, string>(
    dockerfile.stages.flatMap(({ mounts, sshMounts }) => [
      ...mounts.map((placed) => [placed, writeMount({ ...placed.mount, id: 'ID', required: true })] as const),
      ...sshMounts.map((placed) => [placed, writeSshMount({ ...placed.mount, id: 'ID' })] as const),
    ]),
  )
  return rewriteDockerfile(dockerfile, (placed) => flags.get(placed) ?? '')
}

const MOUNT = '--mount=type=secret,id=ID,target=/run/secrets/tok,required=true'

describe('rewriting mounts', () => {
  it.for<[why: string, before: string, after: string]>([
    ['a plain flag', 'RUN --mount=type=secret,id=tok cat x', `RUN ${MOUNT} cat x`],
    ['lower case', 'run --mount=type=secret,id=tok cat x', `run ${MOUNT} cat x`],
    ['a quoted value', 'RUN --mount="type=secret,id=tok" cat x', `RUN ${MOUNT} cat x`],
    ['a quoted flag', 'RUN --mount=\'type=secret\',"id=tok" cat x', `RUN ${MOUNT} cat x`],
    [
      'several flags',
      'RUN --network=none --mount=type=secret,id=tok cat x',
      `RUN --network=none ${MOUNT} cat x`,
    ],
    [
      'two mounts',
      'RUN --mount=type=secret,id=tok --mount=type=secret,id=tok,target=/b cat',
      `RUN ${MOUNT} --mount=type=secret,id=ID,target=/b,required=true cat`,
    ],
    ['a continuation behind it', 'RUN --mount=type=secret,id=tok \\\n  cat x', `RUN ${MOUNT} \\\n  cat x`],
    [
      'a continuation before it and a comment',
      'RUN \\\n# why\n  --mount=type=secret,id=tok cat x',
      `RUN \\\n# why\n  ${MOUNT} cat x`,
    ],
    ['a flag broken over lines', 'RUN --mount=type=secret,id=to\\\nk cat x', `RUN ${MOUNT} \\\n cat x`],
    ['a flag broken twice', 'RUN --mount=type=sec\\\nret,id=to\\\nk cat x', `RUN ${MOUNT} \\\n \\\n cat x`],
    ['an escaped character', 'RUN --mount=type=secret,id=t\\ok cat x', `RUN ${MOUNT} cat x`],
    [
      'words that look like a flag later',
      'RUN echo --mount=type=secret,id=tok',
      'RUN echo --mount=type=secret,id=tok',
    ],
    ['other mounts', 'RUN --mount=type=cache,target=/c true', 'RUN --mount=type=cache,target=/c true'],
    [
      'a trigger',
      'ONBUILD RUN --mount=type=secret,id=tok true',
      'ONBUILD RUN --mount=type=secret,id=tok true',
    ],
    [
      'a here-document body',
      'RUN <<EOF\nRUN --mount=type=secret,id=tok x\nEOF',
      'RUN <<EOF\nRUN --mount=type=secret,id=tok x\nEOF',
    ],
    [
      'a here-document step',
      'RUN --mount=type=secret,id=tok <<EOF\ncat\nEOF',
      `RUN ${MOUNT} <<EOF\ncat\nEOF`,
    ],
    [
      'a variable as the value',
      'RUN --mount=type=secret,id=tok,env=T x',
      'RUN --mount=type=secret,id=ID,env=T,required=true x',
    ],
  ])('%s', ([, before, after]) => {
    expect(rewritten(`FROM base AS a\n${before}\n`)).toBe(`FROM base AS a\n${after}\n`)
  })

  it.for([
    ['CRLF', 'FROM base AS a\r\nRUN --mount=type=secret,id=tok \\\r\n  cat x\r\n'],
    ['CRLF inside the flag', 'FROM base AS a\r\nRUN --mount=type=secret,id=to\\\r\nk cat x\r\n'],
    ['another escape character', '# escape=`\nFROM base AS a\nRUN --mount=type=secret,id=to`\nk cat x\n'],
  ])('finds the mount with %s', ([, text]) => {
    const result = rewritten(text ?? '')
    expect(result).toContain(MOUNT)
    expect(result.split('\n')).toHaveLength((text ?? '').split('\n').length)
  })

  it('keeps the number of lines and leaves no id of the user, wherever a flag is broken', () => {
    const flag = '--mount=type=secret,id=usertoken,target=/x'
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: flag.length - 1 }), { maxLength: 6 }), (cuts) => {
        let broken = ''
        let from = 0
        for (const cut of cuts.sort((a, b) => a - b)) {
          broken += `${flag.slice(from, cut)}\\\n`
          from = cut
        }
        const text = `FROM base AS a\nRUN ${broken}${flag.slice(from)} cat x\nRUN true\n`
        const result = rewritten(text)
        expect(result).toContain('--mount=type=secret,id=ID,target=/x,required=true')
        expect(result).not.toContain('token')
        expect(result.split('\n')).toHaveLength(text.split('\n').length)
      }),
    )
  })
})

describe('naming stages', () => {
  it.for<[before: string, after: string]>([
    ['FROM base', 'FROM base AS stage-0'],
    ['FROM --platform=linux/amd64 base', 'FROM --platform=linux/amd64 base AS stage-0'],
    ['FROM base # not a comment', 'FROM base AS stage-0 # not a comment'],
    ['FROM base AS stage-1\nFROM base', 'FROM base AS stage-1\nFROM base AS stage-1x'],
    ['from \\\n  base', 'from \\\n  base AS stage-0'],
  ])('%j', ([before, after]) => {
    expect(rewritten(before)).toBe(after)
  })
})

describe('syntax lines', () => {
  it('takes the line out and keeps the number of lines', () => {
    expect(rewritten('# syntax=docker/dockerfile:1\nFROM base AS a')).toBe('#\nFROM base AS a')
  })
  it('keeps an escape directive the first line', () => {
    expect(rewritten('# syntax=docker/dockerfile:1\n# escape=`\nFROM base AS a')).toBe(
      '# escape=`\n#\nFROM base AS a',
    )
  })
  it.for<[syntax: string | undefined, foreign: boolean]>([
    [undefined, false],
    ['docker/dockerfile:1', false],
    ['docker.io/docker/dockerfile:1.7-labs', false],
    ['docker/dockerfile-upstream:master', false],
    ['evil/dockerfile:1', true],
    ['docker/dockerfile.evil:1', true],
  ])('%s is foreign: %s', ([syntax, foreign]) => {
    expect(isForeignFrontend(syntax)).toBe(foreign)
  })
})

const nothing = (): never => {
  throw new Error('the Dockerfile has no such stage')
}

describe('stages', () => {
  const text = [
    'ARG BASE=one',
    'FROM ${BASE} AS deps',
    'RUN true',
    'FROM deps AS build',
    'COPY --from=other /x /x',
    'FROM two AS other',
    'FROM three AS unused',
    'FROM scratch AS empty',
    'FROM four',
    'COPY --from=BUILD /x /x',
    'RUN --mount=from=2,target=/o --mount=from=empty,target=/e true',
  ].join('\n')

  const names = (stages: readonly { readonly index: number }[]): number[] => stages.map(({ index }) => index)

  it('reaches what the target builds on and copies from', () => {
    const dockerfile = read(text)
    const target = targetStage(dockerfile, undefined) ?? nothing()
    expect(dockerfile.problems).toEqual([])
    expect(target.index).toBe(5)
    expect(names(reachedStages(dockerfile, target))).toEqual([0, 1, 2, 4, 5])
  })
  it('reads each reached stage but those another one builds on, and those without a layer', () => {
    const dockerfile = read(text)
    const target = targetStage(dockerfile, undefined) ?? nothing()
    expect(names(stagesToRead(reachedStages(dockerfile, target), target))).toEqual([1, 2])
  })
  it('takes a build argument for the base, and a name in any case for the target', () => {
    const dockerfile = read(text, { BASE: 'five' })
    expect(dockerfile.stages[0]?.base).toEqual({ kind: 'image', reference: 'five' })
    expect(targetStage(dockerfile, 'DEPS')?.index).toBe(0)
    expect(targetStage(dockerfile, 'nothing')).toBeUndefined()
  })
  it('tells of an image that has no name because its ARG has no value', () => {
    expect(read('FROM ${X}').problems).toMatchObject([{ code: 'DOCKERFILE_INVALID', line: 1, column: 6 }])
  })
  it('tells of every problem with its place', () => {
    const { problems } = read(
      'FROM a\nRUN --mount=type=secret true\nRUN \\\n  --mount=type=secret,id=$X true\n',
    )
    expect(problems.map(({ line, column }) => [line, column])).toEqual([
      [2, 5],
      [4, 3],
    ])
  })
  it('tells those that say for which platform they are', () => {
    const { stages } = read(
      'FROM --platform=$BUILDPLATFORM base\nFROM base\nFROM --PLATFORM=linux/arm64 base',
    )
    expect(stages.map(({ hasOwnPlatform }) => hasOwnPlatform)).toEqual([true, false, true])
  })
})

describe('what a step runs', () => {
  it.for<[why: string, command: string, told: string]>([
    ['a shell’s text', 'cat  /a > /b', 'cat /a > /b'],
    ['continued lines', 'cat \\\n# why\n  /a', 'cat /a'],
    ['words', '["/bin/sh", "-c", "cat  /a"]', '/bin/sh -c cat /a'],
    ['no words of a list that is none', '[ -e /a ] && cat /a', '[ -e /a ] && cat /a'],
    ['no words of a list of others', '["cat", 1]', '["cat", 1]'],
    ['a here-document', '<<EOF\ncat /a\n  cat /b\nEOF', 'cat /a\n  cat /b'],
    ['a here-document of another program', 'sh -x <<-"EOF"\n\tcat /a\nEOF', '\tcat /a'],
    ['an empty here-document', '<<EOF\nEOF', '<<EOF'],
  ])('is %s', ([, command, told]) => {
    const { stages, problems } = read(`FROM x\nRUN --mount=type=secret,id=tok ${command}\nRUN true\n`)
    expect(problems).toEqual([])
    expect(stages[0]?.mounts.map((mount) => mount.command)).toEqual([told])
  })
})

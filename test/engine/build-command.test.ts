/** B2, B3: the command `build` as a person types it, on the real engine. */

import { readFile, stat, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasImage, imageName, openDocker, runIn } from '../support/engine.js'
import { temporaryFolder, type Folder } from '../support/folder.js'
import { runTraceless, type ProgramRun } from '../support/program.js'
import { randomToken } from '../support/tokens.js'

const BASE = 'traceless-base:tiny'
const TOKEN = randomToken()

let folder: Folder
beforeAll(async () => {
  folder = await temporaryFolder({
    Dockerfile: [
      `FROM ${BASE} AS first`,
      'ARG WHO=nobody',
      'RUN --mount=type=secret,id=HELD wc -c < /run/secrets/HELD > /size && echo "$WHO" > /who && cat /etc/hosts > /seen',
      'FROM first AS second',
      'COPY . /copied',
    ].join('\n'),
    '.dockerignore': 'ignored\nvalue\nhome\n',
    kept: 'kept',
    ignored: TOKEN,
    value: 'a value in a file',
    leaky: `FROM ${BASE}\nRUN --mount=type=secret,id=HELD cp /run/secrets/HELD /left\n`,
    plain: `FROM ${BASE}\nRUN --mount=type=secret,id=NONE cat /run/secrets/NONE\n`,
    optional: `FROM ${BASE}\nRUN --mount=type=secret,id=NONE,required=false test ! -e /run/secrets/NONE\n`,
  })
  await traceless(['secrets', 'set', 'HELD=-'], TOKEN)
})
afterAll(() => folder[Symbol.asyncDispose]())

const traceless = (words: readonly string[], input?: string): Promise<ProgramRun> =>
  runTraceless(words, {
    cwd: folder.path,
    env: { TRACELESS_HOME: folder.file('home'), GIVEN: 'a value of the shell' },
    input,
  })

const outputOf = async (image: string, shell: string): Promise<string> => (await runIn(image, shell)).output

describe('B2: the command build', () => {
  it('B2: target, argument, label, host, network, result files and progress', async () => {
    await using image = imageName('command')
    await writeFile(folder.file('id'), 'of an earlier run')
    const ended = await traceless(
      ['build', '-t', image.name, '--target', 'first', '--build-arg', 'WHO=me', '--label', 'a=b']
        .concat(['--add-host', 'somewhere:10.1.2.3', '--network', 'host', '--no-cache'])
        .concat(['--iidfile', 'id', '--metadata-file', 'result.json', '--progress', 'plain', '.']),
    )
    expect(ended.status, ended.err).toBe(0)
    const id = await readFile(folder.file('id'), 'utf8')
    expect(ended.out).toBe(`${id}\n`)
    const inspected = await openDocker().getImage(image.name).inspect()
    expect(inspected).toMatchObject({ Id: id, Config: { Labels: { a: 'b' } } })
    expect(JSON.parse(await readFile(folder.file('result.json'), 'utf8'))).toMatchObject({
      image: id,
      tags: [image.name],
      report: { verdict: 'clean' },
    })
    expect(await outputOf(image.name, 'cat /size /who /seen; ls /copied')).toMatch(
      new RegExp(`^${String(TOKEN.length)}\nme\n[^]*10\\.1\\.2\\.3\\s+somewhere\n[^]*No such file`),
    )
    expect(ended.err).toContain('RUN --mount=type=secret,id=HELD wc -c')
    expect(ended.err).toContain('verdict: clean')
  })

  it('B2: a Dockerfile from standard input, files that are ignored, the result as JSON', async () => {
    await using image = imageName('command')
    const text = await readFile(folder.file('Dockerfile'), 'utf8')
    const ended = await traceless(['build', '-f', '-', '-t', image.name, '--json', '.'], text)
    expect(ended.status, ended.err).toBe(0)
    expect(JSON.parse(ended.out)).toMatchObject({ tags: [image.name], report: { verdict: 'clean' } })
    expect(await outputOf(image.name, 'cat /copied/kept; ls /copied')).not.toContain('ignored')
  })

  it.for<[spec: string, input: string, bytes: number]>([
    ['id=HELD,env=GIVEN', '', 20],
    ['type=env,id=HELD,src=GIVEN', '', 20],
    ['id=HELD,src=value', '', 17],
    ['type=file,id=HELD,source=value', '', 17],
    ['id=HELD,src=-', 'from standard input', 19],
    ['id=HELD,-', 'from standard input', 19],
    ['id=HELD,name=HELD', '', TOKEN.length],
  ])('B2: --secret %s', async ([spec, input, bytes]) => {
    await using image = imageName('command')
    const ended = await traceless(
      ['build', '--target', 'first', '--secret', spec, '-t', image.name, '.'],
      input,
    )
    expect(ended.status, ended.err).toBe(0)
    expect(await outputOf(image.name, 'echo "$(cat /size) bytes"')).toBe(`${String(bytes)} bytes\n`)
  })

  it('B2: --check-only builds nothing', async () => {
    await using image = imageName('command')
    expect(await traceless(['build', '-t', image.name, '--check-only', '.'])).toMatchObject({
      status: 0,
      out: 'The request is sound.\n',
    })
    expect(await hasImage(image.name)).toBe(false)
  })

  it('B7: a refused image leaves no name and no file, and the report is there for programs', async () => {
    await using image = imageName('command')
    await writeFile(folder.file('id'), 'of an earlier run')
    const ended = await traceless(
      ['build', '-f', 'leaky', '-t', image.name, '--json'].concat(['--iidfile', 'id']),
    )
    expect(ended.status).toBe(5)
    expect(JSON.parse(ended.out)).toMatchObject({
      image: null,
      tags: [],
      report: { verdict: 'leak', findings: [{ secret: 'HELD', path: 'left' }] },
    })
    expect(JSON.parse(ended.err)).toMatchObject({ error: { code: 'LEAK_FOUND' } })
    expect(await hasImage(image.name)).toBe(false)
    await expect(stat(folder.file('id'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('B3: what the command refuses', () => {
  it('B3: a mount without a value, unless the mount or the person says that it may', async () => {
    await using image = imageName('command')
    const build = (file: string, ...more: readonly string[]): Promise<ProgramRun> =>
      traceless(['build', '-f', file, '-t', image.name, ...more])
    const refused = await build('plain')
    expect(refused.status).toBe(3)
    expect(refused.err).toMatch(/plain:2:5: The step mounts the secret NONE, and there is no value for it/)
    expect(await hasImage(image.name)).toBe(false)
    // The step runs and misses the file.
    expect((await build('plain', '--allow-missing', 'NONE')).status).toBe(4)
    expect((await build('optional')).status).toBe(0)
  })

  it('B3: everything that is wrong at once', async () => {
    const wrong = await traceless(['build', '-f', 'plain', '-t', 'Bad Name', '--platform', 'a b'])
    expect(wrong.status).toBe(2)
    expect(wrong.err).toMatch(/^error REQUEST_INVALID: 3 problems were found\./)
    const secrets = await traceless([
      'build',
      '-t',
      'x:1',
      '--secret',
      TOKEN,
      '--secret',
      'id=A,env=NOT_SET',
      '--secret',
      'id=B,src=none',
      '.',
    ])
    expect(secrets.err).toMatch(/3 problems[^]*number 1 has[^]*number 2 names[^]*number 3 names/)
    expect(secrets.err).not.toContain(TOKEN)
  })

  it.for<[words: string, message: RegExp]>([
    ['build . -t x:1 --network sideways', /no such value for --network[^]*default, host, none/],
    ['build . -t x:1 --workdir /x', /go with a requirement list/],
    ['build . -t x:1 --iidfile none/id', /The file of --iidfile cannot be written/],
    ['build -f - -t x:1 --secret id=HELD,src=- .', /Standard input can be the Dockerfile or a secret/],
    ['build -f none -t x:1', /The Dockerfile .*none cannot be read/],
    ['build . -t x:1 --target third', /no stage of the name/],
    ['build -t x:1', /needs a requirement list or a Dockerfile/],
    ['build -r none.txt -t x:1', /needs the image to install into/],
    ['build -r none.txt --base b -t x:1 --allow-missing A', /takes no Dockerfile/],
    ['build . -t x:1 --build-context other=./folder', /can only be an image/],
  ])('B3: %s', async ([words, message]) => {
    const ended = await traceless(words.split(' '), '')
    expect({ status: ended.status, out: ended.out }).toEqual({ status: 2, out: '' })
    expect(ended.err).toMatch(message)
  })
})

import { describe, expect, it } from 'vitest'
import { MADE_LIST, MAX_LIST_FILES, parseRequirements } from '../../src/substitute/requirements.js'
import { listOf, places, readerOf } from './support.js'

describe('placeholders of a line', () => {
  it.for<[line: string, found: readonly string[], why: string]>([
    ['git+https://${T}@h/o/r', ['user-info 1:13'], 'token as user'],
    ['git+https://u:${T}@h/o/r@v1#egg=x', ['user-info 1:15'], 'as password'],
    ['git+https://${U|raw}:$<P>@h/o/r', ['user-info 1:13', 'user-info 1:22'], 'both forms, raw'],
    ['n @ git+https://u:${T}@h/r ; os_name == "posix"', ['user-info 1:19'], 'direct reference with a marker'],
    ['n@git+https://u:${T}@h/r;os_name=="posix"', ['user-info 1:17'], 'without blanks'],
    ['n[a,b]  @  https://u:${T}@h/n.whl', ['user-info 1:22'], 'with extras'],
    ['https://u:${T}@h/n.whl; os_name == "posix"', ['user-info 1:11'], 'a bare URL and a marker'],
    ['-e git+https://${T}@h/r#egg=x', ['user-info 1:16'], 'editable'],
    ['--editable="n @ git+https://${T}@h/r"', ['user-info 1:29'], 'editable by name'],
    ['-i https://u:${T}@h/simple --pre', ['user-info 1:14'], 'index'],
    ["--extra-index-url 'https://u:${T}@h/simple'", ['user-info 1:30'], 'quoted'],
    ['-f https://${T}@h/links', ['user-info 1:12'], 'file links'],
    [
      '-f https://${A}@h/ -i https://${B}@h/',
      ['user-info 1:12', 'user-info 1:31'],
      'indexes and links in any order',
    ],
    ['-i https://h/${T}/simple', ['path 1:14'], 'path segment of an index'],
    ['https://h/a-${T}/n.whl#sha256=abc', ['path 1:13'], 'part of a segment'],
    ['git+https://h/r@${REV}', ['path 1:17'], 'revision'],
    ['https://h/n.whl?a=b&t=${T}&c', ['query 1:23'], 'query value'],
    ['n==1 --config-settings=k=${T}', ['option 1:26'], 'setting'],
    ['n==1 --hash=sha256:a -C "k=v-${T}"', ['option 1:30'], 'its short form'],
    ['hg+https://u:${T}@h/r', ['user-info 1:14'], 'another system'],
    ['n # ${A} ${', [], 'comments are not looked at'],
    ['n @ git+https://$${A}:x@h/r', [], 'escaped'],
    ['n ; os_name == "$HOME"', [], 'other dollars'],
  ])('%s: %j (%s)', async ([line, found]) => {
    const list = await listOf(`${line}\n`)
    expect(list.problems).toEqual([])
    expect(
      list.placeholders.map(({ position, line: at, column }) => `${position} ${at ?? 0}:${column ?? 0}`),
    ).toEqual(found)
  })

  it.for<[line: string, where: string, message: RegExp]>([
    ['${N}==1', '1:1', /outside of a URL/],
    ['n==${V}', '1:4', /outside of a URL/],
    ['n[${X}] @ https://h/x', '1:3', /outside of a URL/],
    ['${U}', '1:1', /outside of a URL/],
    ['${S}://h/x', '1:1', /outside of a URL/],
    ['n ; os_name == "${M}"', '1:17', /outside of a URL/],
    ['n @ https://u@h/x;${M}', '1:19', /outside of a URL/],
    ['https://h/x ${M}', '1:13', /outside of a URL/],
    ['https://h/x; ${M}', '1:14', /outside of a URL/],
    ['n --hash=sha256:${H}', '1:17', /outside of a URL/],
    ['n -i https://${T}@h/', '1:14', /outside of a URL/],
    ['-e x -i https://${T}@h/', '1:17', /outside of a URL/],
    ['-r x.txt -i https://${T}@h/', '1:21', /outside of a URL/],
    ['-r ${R}.txt', '1:4', /outside of a URL/],
    ['-c ${R}.txt', '1:4', /outside of a URL/],
    ['-f ./${D}', '1:6', /outside of a URL/],
    ['-f https://a/ -f https://${T}@h/', '1:26', /outside of a URL/],
    ['--trusted-host ${H}', '1:16', /outside of a URL/],
    ['--no-binary ${H}', '1:13', /outside of a URL/],
    ['--config-settings=k=${T}', '1:21', /outside of a URL/],
    ['n -C ${K}=v', '1:6', /name of a setting/],
    ['n -C ${K}', '1:6', /name of a setting/],
    ['git+${S}://h/x', '1:5', /outside of a URL/],
    ['https://${H}/x', '1:9', /host of a URL/],
    ['https://u:p@h${H}/x', '1:14', /host of a URL/],
    ['https://h:${P}/x', '1:11', /port of a URL/],
    ['https://h/x#egg=${N}', '1:17', /fragment of a URL/],
    ['https://h/x?${Q}', '1:13', /name of a query parameter/],
    ['https://h/x?a=b&${Q}=c', '1:17', /name of a query parameter/],
    ['https://h/${T|raw}', '1:11', /\|raw/],
    ['https://h/?a=${T|raw}', '1:14', /\|raw/],
    ['n -C k=${T|raw}', '1:8', /\|raw/],
    ['https://${T@h/x', '1:9', /not closed/],
    ['https://${1T}@h/x', '1:9', /not closed, or its name/],
    ['https://$<a b>@h/x', '1:9', /not closed, or its name/],
    ['https://u v:${T}@h/x', '1:13', /outside of a URL/],
    ['https://a@b:${T}@h/x', '1:9', /percent-encoded/],
    ['https://ü:${T}@h/x', '1:9', /percent-encoded/],
    ['https://a%0Ab:${T}@h/x', '1:9', /control character/],
    ['https://100%:${T}@h/x', '1:9', /percent-encoded/],
    ['https://u:${T}@h:8a/x', '1:16', /host or port/],
    ['https://u:${T}@/x', '1:16', /host or port/],
    ['https://u:${T}@h\\.e/x', '1:16', /host or port/],
    ['https://good\\@evil/${T}', '1:9', /percent-encoded/],
    ['https://h\\.evil/${T}', '1:9', /host or port/],
    ['https://h:-1/?t=${T}', '1:9', /host or port/],
    ['-i https://u"":${T}@h/', '1:12', /one piece|broken/],
    ['-i https://${T}@h/ "', '1:1', /left open/],
    ['--re x.txt', '1:1', /could be several/],
    ['https://h/${\\\nT}', '1:11', /broken by the end of a line/],
    ['https://h/$${X}/$\\\n${T}', '1:17', /broken by the end of a line/],
    ['https://u:$${X}${T}@h/', '1:9', /percent-encoded/],
    ['https://u:$$<X>${T}@h/', '1:9', /percent-encoded/],
    ['n @ https://${\\\nT}@h/x', '1:13', /broken by the end of a line/],
    ['n @ https://u:\\\n${T}@h/x', '1:13', /broken by the end of a line/],
  ])('%s: %s %s', async ([line, where, message]) => {
    const list = await listOf(`${line}\n`)
    const problems = list.problems.filter(({ message: text }) => !text.includes('does not exist'))
    expect(places(problems)).toEqual([`r.txt:${where}`])
    expect(problems[0]?.code).toBe('REQUIREMENTS_INVALID')
    expect(problems[0]?.message).toMatch(message)
  })

  it('counts the lines of the file, not those that are joined', async () => {
    const list = await listOf('# one\r\na \\\r\n @ \\\r\n  git+https://${A}@h/a\x0c\nb @ https://h/${B}\n')
    expect(places(list.placeholders)).toEqual(['r.txt:4:15', 'r.txt:6:15'])
  })

  it('gives all problems at once, in the order of the text', async () => {
    const list = await listOf({
      'r.txt': '${A}\n-r n.txt\n-r gone.txt\n${\nhttps://${H}/$<\n',
      'n.txt': '${B}\n-r ../out.txt\n',
    })
    expect(places(list.problems)).toEqual([
      'r.txt:1:1',
      'n.txt:1:1',
      'n.txt:2:4',
      'r.txt:3:4',
      'r.txt:4:1',
      'r.txt:5:9',
      'r.txt:5:14',
    ])
  })

  it('repeats nothing of a placeholder that is none: it may be a value typed in the wrong place', async () => {
    const list = await listOf('https://${hunter2!}@h/x\nhttps://hunter2@u:${T}@h/x\n')
    expect(list.problems).toHaveLength(2)
    expect(JSON.stringify(list.problems)).not.toContain('hunter2')
  })
})

describe('facts of a list', () => {
  it.for<[line: string, needsGit: boolean, hasEditable: boolean]>([
    ['git+https://h/r', true, false],
    ['n @ git+ssh://git@h/r', true, false],
    ['-e git+file:///r', true, true],
    ['-e git://h/r', true, true],
    ['-e .', false, true],
    ['-e hg+https://h/r', false, true],
    ['https://h/git+x', false, false],
    ['gitpython', false, false],
    ['# git+https://h/r', false, false],
  ])('%s: git %j, editable %j', async ([line, needsGit, hasEditable]) => {
    const list = await listOf(line)
    expect([list.needsGit, list.hasEditable]).toEqual([needsGit, hasEditable])
  })

  it.for<[line: string, local: boolean]>([
    ['./a', true],
    ['.', true],
    ['../a[x] ; os_name == "posix"', true],
    ['dir/a', true],
    ['a-1.whl', true],
    ['a-1.tar.gz', true],
    ['-e .[x]', true],
    ['-e sub', true],
    ['-e git+https://h/x', false],
    ['-e "n @ git+https://h/x"', false],
    ['-f https://h/', false],
    ['-f wheels/', true],
    ['/opt/a.whl', false],
    ['file:///opt/a.whl', false],
    ['n @ https://h/a.whl', false],
    ['n @ file:///a/b', false],
    ['https://h/a', false],
    ['a==1', false],
    ['a ; os_name == "a/b"', false],
    ['-i https://h/', false],
  ])('%s is a relative path: %j', async ([line, local]) => {
    expect((await listOf(line)).localPaths.length > 0).toBe(local)
  })

  it.for<[line: string, literal: boolean]>([
    ['https://u:p@h/x', true],
    ['git+https://u:p@h/x', true],
    ['-i https://:p@h/', true],
    ['git+https://git@h/x', false],
    ['git+ssh://git:x@h/x', false],
    ['https://u:@h/x', false],
    ['https://u:${P}@h/x', false],
    ['https://h/u:p@x', false],
  ])('%s has a password in clear: %j', async ([line, literal]) => {
    expect((await listOf(line)).literalPasswords.length > 0).toBe(literal)
  })

  it('knows the names of placeholders in wrong places too', async () => {
    expect([...(await listOf('https://${H}/${T}#${F}\n')).names]).toEqual(['H', 'T', 'F'])
  })

  it('knows each name once, in order', async () => {
    const list = await listOf('https://${B}:$<A>@h/${B}\n${C}\n')
    expect([...list.names]).toEqual(['B', 'A', 'C'])
  })
})

describe('files', () => {
  it('follows -r and -c from the folder of the file that names them, each file once', async () => {
    const list = await listOf({
      'r.txt': '-r sub/a.txt\n-c c.txt\n--requirement=sub/../sub/a.txt\n',
      'sub/a.txt': '-r b.txt\n-c../c.txt\n',
      'sub/b.txt': 'https://${B}@h/b\n',
      'c.txt': 'https://${C}@h/c\n',
    })
    expect(list.problems).toEqual([])
    expect([...list.files.keys()]).toEqual(['r.txt', 'sub/a.txt', 'sub/b.txt', 'c.txt'])
    expect(places(list.placeholders)).toEqual(['sub/b.txt:1:9', 'c.txt:1:9'])
    expect(list.root).toBe('r.txt')
  })

  it.for<[name: string, files: Record<string, string>, problems: readonly string[]]>([
    ['a file that names itself', { 'r.txt': '-r r.txt' }, ['r.txt:1:4']],
    ['a circle', { 'r.txt': '-r a', a: '-c ./b', b: '\n-r r.txt' }, ['b:2:4']],
    ['a file that does not exist', { 'r.txt': '-r a' }, ['r.txt:1:4']],
    ['outside', { 'r.txt': '-r ../a' }, ['r.txt:1:4']],
    ['outside, by a detour', { 'r.txt': '-r a/../../b' }, ['r.txt:1:4']],
    ['a path from the root', { 'r.txt': '-c /etc/c.txt' }, ['r.txt:1:4']],
    ['a URL', { 'r.txt': '-r HTTPS://h/r.txt' }, ['r.txt:1:4']],
    ['a file URL', { 'r.txt': '-r file:///etc/r.txt' }, ['r.txt:1:4']],
    ['the folder itself', { 'r.txt': '-r ..' }, ['r.txt:1:4']],
    ['a project', { 'r.txt': '-r pyproject.toml', 'pyproject.toml': '' }, ['pyproject.toml']],
  ])('refuses %s', async ([, files, problems]) => {
    const list = await listOf(files)
    expect(places(list.problems)).toEqual(problems)
  })

  it('takes a doubled dollar in the name of a file for one', async () => {
    const list = await listOf({ 'r.txt': '-r $${A}.txt\n', '${A}.txt': '' })
    expect([...list.files.keys()]).toEqual(['r.txt', '${A}.txt'])
  })

  it('asks for no path outside, and for each file once', async () => {
    const asked: string[] = []
    const read = readerOf({
      'r.txt': '-r ../x\n-r https://h/x\n-r file:x\n-r a\n-r ./a\n-r /x\n-r a/../gone\n-r gone\n',
      a: '',
    })
    await parseRequirements({ path: './r.txt' }, (path) => {
      asked.push(path)
      return read(path)
    })
    expect(asked).toEqual(['r.txt', 'a', 'gone'])
    await parseRequirements({ path: '../r.txt' }, () => expect.fail('nothing may be read'))
    await parseRequirements({ path: '/r.txt' }, () => expect.fail('nothing may be read'))
  })

  it('stops at too many files', async () => {
    let asked = 0
    const list = await parseRequirements({ path: '0' }, (path) => {
      asked += 1
      return Promise.resolve(Buffer.from(`-r ${Number(path) + 1}\n`))
    })
    expect(asked).toBe(MAX_LIST_FILES)
    expect(places(list.problems)).toEqual([`${MAX_LIST_FILES - 1}:1:4`])
  })

  it('says that the list itself does not exist, or is in no encoding it reads', async () => {
    expect(places((await listOf({})).problems)).toEqual(['r.txt'])
    expect(places((await listOf({ 'r.txt': Buffer.from([0xe9]) })).problems)).toEqual(['r.txt'])
    expect((await listOf({ 'r.txt': Buffer.from('# coding: x\n') })).problems[0]?.hint).toBe(
      'Save it as UTF-8.',
    )
  })

  it('lets a failing reader fail', async () => {
    await expect(parseRequirements({ path: 'r' }, () => Promise.reject(new Error('disk')))).rejects.toThrow(
      'disk',
    )
  })
})

describe('a list of strings', () => {
  it('is a list whose lines are the strings', async () => {
    const list = await parseRequirements(
      { lines: ['git+https://${T}@h/r', '# ${', '-r more.txt', 'x==${V}'] },
      readerOf({ 'more.txt': 'https://${U}@h/x\n' }),
    )
    expect(list.root).toBe(MADE_LIST)
    expect([...list.files.keys()]).toEqual([MADE_LIST, 'more.txt'])
    expect(places(list.placeholders)).toEqual(['requirements:1:13', 'more.txt:1:9'])
    expect(places(list.problems)).toEqual(['requirements:4:4'])
  })

  it.for(['a\nb', 'a\u2028b', 'a\fb', 'a\\', 'a\r'])(
    'refuses %j, which would not be one line',
    async (line) => {
      const list = await parseRequirements({ lines: ['x', line, 'https://${A}@h/x'] }, readerOf({}))
      expect(places(list.problems)).toEqual(['requirements:2'])
      expect(places(list.placeholders)).toEqual(['requirements:3:9'])
    },
  )
})

describe('pyproject.toml', () => {
  const project = (text: string): ReturnType<typeof parseRequirements> =>
    parseRequirements({ path: 'sub/pyproject.toml' }, readerOf({ 'sub/pyproject.toml': text }))

  it('has its dependencies read, each at its place', async () => {
    const list = await project(
      '[project]\nname = "x"\ndependencies = [\n  "a==1", "b @ git+https://${T}@h/b",\n  \'c @ https://${U}@h/c\',\n  "\\u0064 @ https://${V}@h/d",\n]\n[project.optional-dependencies]\nx = ["e @ https://${W}@h/e"]\n',
    )
    expect(list.problems).toEqual([])
    expect(list.root).toBe(`sub/${MADE_LIST}`)
    expect(places(list.placeholders)).toEqual([
      'sub/pyproject.toml:4:28',
      'sub/pyproject.toml:5:16',
      'sub/pyproject.toml',
    ])
  })

  it.for<[name: string, text: string]>([
    ['text that is not TOML', '[project'],
    ['no project', '[tool.poetry.dependencies]\na = "1"\n'],
    ['a project that is no table', 'project = ["a"]\n'],
    ['dependencies that are no list', '[project]\ndependencies = "a"\n'],
    ['dependencies that are no strings', '[project]\ndependencies = ["a", 1]\n'],
    ['dependencies that are dynamic', '[project]\ndynamic = ["version", "dependencies"]\n'],
    ['a dependency of two lines', '[project]\ndependencies = ["a\\n--index-url https://evil/"]\n'],
    ['an option', '[project]\ndependencies = ["--index-url https://evil/"]\n'],
  ])('refuses %s', async ([, text]) => {
    const list = await project(text)
    expect(list.problems.map(({ file }) => file)).toEqual(['sub/pyproject.toml'])
  })

  it('may have no dependencies', async () => {
    expect((await project('[project]\nname = "x"\n')).problems).toEqual([])
  })
})

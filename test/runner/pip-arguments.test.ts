/** R8: which of pip's arguments become lines of a list, and which stay. */

import { describe, expect, it } from 'vitest'
import { pipArguments } from '../../src/runner/pip-arguments.js'
import { Fault } from '../../src/errors.js'

const CWD = '/home/user'
const T = 'git+https://${T}@h/r.git'

describe('R8 pip arguments', () => {
  it.for([
    { args: ['install', 'x', '-U'], lines: [], rest: ['install', 'x', '-U'] },
    { args: ['install', '-r', 'a.txt'], lines: ['-r home/user/a.txt'], rest: ['install', null] },
    { args: ['install', '-ra.txt', '-U'], lines: ['-r home/user/a.txt'], rest: ['install', null, '-U'] },
    {
      args: ['install', '--requirement=../a b.txt'],
      lines: ["--requirement 'home/a b.txt'"],
      rest: ['install', null],
    },
    {
      args: ['install', '--requirement', '/a.txt', '-c', 'c'],
      lines: ['--requirement a.txt', '-c home/user/c'],
      rest: ['install', null],
    },
    { args: ['-r', "it's.txt"], lines: [`-r 'home/user/it'"'"'s.txt'`], rest: [null] },
    { args: ['-r', 'https://h/a.txt'], lines: [], rest: ['-r', 'https://h/a.txt'] },
    { args: ['-r'], lines: [], rest: ['-r'] },
    {
      args: ['install', T, 'x', 'y @ https://u:$<P>@h/y.whl'],
      lines: [T, 'y @ https://u:$<P>@h/y.whl'],
      rest: ['install', null, 'x'],
    },
    {
      args: ['-i', 'https://${T}@h/', '-i', 'https://h/'],
      lines: ["-i 'https://${T}@h/'"],
      rest: [null, '-i', 'https://h/'],
    },
    {
      args: ['--extra-index-url=https://${T}@h/'],
      lines: ["--extra-index-url 'https://${T}@h/'"],
      rest: [null],
    },
    { args: ['--extra-index-url=https://h/'], lines: [], rest: ['--extra-index-url=https://h/'] },
    { args: ['-fhttps://${T}@h/'], lines: ["-f 'https://${T}@h/'"], rest: [null] },
    { args: ['-e', T], lines: [`-e '${T}'`], rest: [null] },
    { args: ['-e', '.'], lines: [], rest: ['-e', '.'] },
    { args: ['--', '-r', 'x', T], lines: [T], rest: ['--', '-r', 'x', null] },
    { args: ['-vvr', 'a'], lines: [], rest: ['-vvr', 'a'] },
    { args: [], lines: [], rest: [] },
  ])('$args', ({ args, lines, rest }) => {
    expect(pipArguments(args, CWD)).toEqual({ lines, rest })
  })

  it.for(['--config-settings=k=${T}', '--proxy=http://u:$<T>@h', '--global-option=${T}', '-C${T}'])(
    'refuses a placeholder in %s, and repeats nothing of it',
    (arg) => {
      const attempt = (): unknown => pipArguments(['install', arg], CWD)
      expect(attempt).toThrow(Fault)
      expect(attempt).toThrow('A placeholder stands in argument number 2')
      expect(attempt).not.toThrow(arg)
    },
  )
})

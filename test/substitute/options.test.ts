import { describe, expect, it } from 'vitest'
import { logicalLines } from '../../src/substitute/lines.js'
import { splitLine } from '../../src/substitute/options.js'

const split = (text: string): readonly string[] => {
  const [line = { text: '', at: [] }] = logicalLines(text)
  const { args, options, wrong } = splitLine(line)
  for (const { value } of options) {
    expect(value?.at.map((offset) => text.charAt(offset)).join('')).toBe(value?.text)
  }
  return [
    args.text,
    ...options.map(({ kind, value }) => `${kind}=${value?.text ?? ''}`),
    ...(wrong === undefined ? [] : [wrong]),
  ]
}

describe('splitLine', () => {
  it.for<[line: string, parts: readonly string[], why: string]>([
    ['a==1', ['a==1'], 'a requirement'],
    ['a == 1 ; os_name == "x"', ['a == 1 ; os_name == "x"'], 'quotes in a marker are not read'],
    ['a --hash=sha256:b', ['a', 'other=sha256:b'], 'an option of a requirement'],
    ['a --hash sha256:b --hash=c', ['a', 'other=sha256:b', 'other=c'], 'several'],
    ['a  -C x=y', ['a ', 'settings=x=y'], 'its short form; the blank before the options goes'],
    ['a-b -c', ['a-b', 'constraint='], 'a dash in a word begins no option'],
    ['a\t-r b', ['a\t-r b'], 'nor one behind a tab'],
    ['-r b.txt', ['', 'list=b.txt'], 'a nested list'],
    ['-rb.txt', ['', 'list=b.txt'], 'without a blank'],
    ['--requirement=b', ['', 'list=b'], 'with an equals sign'],
    ['--requirem b', ['', 'list=b'], 'an abbreviation that fits one name'],
    ['--re b', ['', 'ambiguous'], 'one that fits two'],
    ['--c b', ['', 'ambiguous'], 'one that fits one in some versions'],
    ['--re=b "', ['', 'open'], 'both'],
    ['--config-setting a=b', ['', 'settings=a=b'], 'a name that begins another'],
    ['--pre -i u', ['', 'other=', 'index=u'], 'a flag takes no word'],
    ['-i u --extra-index-url v -f w', ['', 'index=u', 'index=v', 'links=w'], 'indexes and links'],
    ['--ext v', ['', 'index=v'], 'abbreviated'],
    ['-e "a b" c', ['', 'editable=a b'], 'a quoted value; a word that is no option'],
    ["-e 'a\"b'", ['', 'editable=a"b'], 'single quotes'],
    ['-e "a\\"b\\\\c\\d"', ['', 'editable=a"b\\c\\d'], 'escapes in double quotes'],
    ["-e 'a\\b'", ['', 'editable=a\\b'], 'none in single ones'],
    ["-e 'a\\\\b'", ['', 'editable=a\\\\b'], 'not even of a backslash'],
    ['-e a\\ b', ['', 'editable=a b'], 'an escaped blank'],
    ['-e a"b"\'c\'d', ['', 'editable=abcd'], 'quotes within a word'],
    ['-e ""', ['', 'editable='], 'an empty word'],
    ['-i', ['', 'index='], 'a value that is missing'],
    ['-i= -r b', ['', 'index==', 'list=b'], 'an equals sign belongs to the value of a short option'],
    ['-- -r b', [''], 'the end of options'],
    ['-x -r b', ['', 'list=b'], 'an option that is not known'],
    ['--new-option x -r b', ['', 'list=b'], 'a long one'],
    ['-e "a', ['', 'editable=a', 'open'], 'a quote left open'],
    ['-e a -f \\ -r b', ['', 'editable=a', 'links= -r'], 'an escaped blank begins a word'],
    ['a -C "x', ['a', 'settings=x', 'open'], 'behind a requirement'],
  ])('%s (%s)', ([line, parts]) => {
    expect(split(line)).toEqual(parts)
  })
})

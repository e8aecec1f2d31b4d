/**
 * One logical line as pip takes it apart: the requirement in front, the
 * options behind, the options split by the rules of Python's shlex and matched
 * by those of its optparse.
 *
 * Sources: `break_args_options` and `build_parser` in
 * https://github.com/pypa/pip/blob/23.2.1/src/pip/_internal/req/req_file.py,
 * https://docs.python.org/3/library/shlex.html#parsing-rules (POSIX mode) and
 * https://docs.python.org/3/library/optparse.html
 *
 * @packageDocumentation
 */

import { sliceSpan, type Span } from './lines.js'

/** What an option of a list is for; `other` means that its value can hold nothing of ours. */
export type OptionKind = 'index' | 'links' | 'list' | 'constraint' | 'editable' | 'settings' | 'other'

/** An option with its value; flags have none. */
export interface Option {
  readonly kind: OptionKind
  readonly value: Span | undefined
}

/** A line taken apart. */
export interface ListLine {
  readonly args: Span
  readonly options: readonly Option[]
  /** `open`: a quote or backslash is left open. `ambiguous`: an abbreviation fits several options, in some pip or other. */
  readonly wrong: 'open' | 'ambiguous' | undefined
}

interface Spec {
  readonly kind: OptionKind
  readonly flag?: true
}

const OTHER: Spec = { kind: 'other' }
const FLAG: Spec = { kind: 'other', flag: true }

/** All options any pip from 20 to 26 takes in a list; a newer pip's own are not known and hold nothing of ours. */
const LONG: ReadonlyMap<string, Spec> = new Map([
  ['--index-url', { kind: 'index' }],
  ['--pypi-url', { kind: 'index' }],
  ['--extra-index-url', { kind: 'index' }],
  ['--find-links', { kind: 'links' }],
  ['--requirement', { kind: 'list' }],
  ['--constraint', { kind: 'constraint' }],
  ['--editable', { kind: 'editable' }],
  ['--config-settings', { kind: 'settings' }],
  ['--config-setting', { kind: 'settings' }],
  ['--hash', OTHER],
  ['--global-option', OTHER],
  ['--install-option', OTHER],
  ['--no-binary', OTHER],
  ['--only-binary', OTHER],
  ['--trusted-host', OTHER],
  ['--use-feature', OTHER],
  ['--no-index', FLAG],
  ['--prefer-binary', FLAG],
  ['--require-hashes', FLAG],
  ['--pre', FLAG],
])

const SHORT: ReadonlyMap<string, Spec> = new Map([
  ['-i', { kind: 'index' }],
  ['-f', { kind: 'links' }],
  ['-r', { kind: 'list' }],
  ['-c', { kind: 'constraint' }],
  ['-e', { kind: 'editable' }],
  ['-C', { kind: 'settings' }],
])

/** Takes a logical line apart. */
export function splitLine(line: Span): ListLine {
  const from = optionsStart(line.text)
  const { words, closed } = splitWords(sliceSpan(line, from))
  const options = readOptions(words)
  return {
    // The blank before the options belongs to neither.
    args: sliceSpan(line, 0, Math.max(0, from - 1)),
    options: options.flatMap((option) => (option === 'ambiguous' ? [] : [option])),
    wrong: !closed ? 'open' : options.includes('ambiguous') ? 'ambiguous' : undefined,
  }
}

/** Index of the first dash that follows a blank or begins the line. Only the blank counts: pip splits at `" "`. */
function optionsStart(text: string): number {
  if (text.startsWith('-')) return 0
  const at = text.indexOf(' -')
  return at === -1 ? text.length + 1 : at + 1
}

/** Words as `shlex.split(text)` gives them. */
function splitWords(span: Span): { words: readonly Span[]; closed: boolean } {
  const words: Span[] = []
  let kept: number[] | undefined
  let quote = ''
  const flush = (): void => {
    if (kept === undefined) return
    const indexes = kept
    words.push({
      text: indexes.map((index) => span.text.charAt(index)).join(''),
      at: indexes.map((index) => span.at[index] ?? 0),
    })
    kept = undefined
  }
  for (let index = 0; index < span.text.length; index += 1) {
    const character = span.text.charAt(index)
    if (quote !== '') {
      kept ??= []
      if (character === quote) {
        quote = ''
      } else if (quote === '"' && character === '\\' && /["\\]/.test(span.text.charAt(index + 1))) {
        index += 1
        kept.push(index)
      } else {
        kept.push(index)
      }
    } else if (character === '"' || character === "'") {
      kept ??= []
      quote = character
    } else if (character === '\\') {
      if (index + 1 === span.text.length) return { words, closed: false }
      kept ??= []
      index += 1
      kept.push(index)
    } else if (/[ \t\r\n]/.test(character)) {
      flush()
    } else {
      kept ??= []
      kept.push(index)
    }
  }
  flush()
  return { words, closed: quote === '' }
}

function readOptions(words: readonly Span[]): readonly (Option | 'ambiguous')[] {
  const options: (Option | 'ambiguous')[] = []
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index]
    if (word === undefined || word.text === '--') break
    const read = readOption(word)
    if (read === undefined) continue
    if (read === 'ambiguous') options.push(read)
    else if (read.value !== undefined || read.flag === true) {
      options.push({ kind: read.kind, value: read.value })
    } else {
      index += 1
      options.push({ kind: read.kind, value: words[index] })
    }
  }
  return options
}

function readOption(word: Span): (Spec & { readonly value?: Span }) | 'ambiguous' | undefined {
  if (word.text.startsWith('--')) {
    const equals = word.text.indexOf('=')
    const spec = longOption(equals === -1 ? word.text : word.text.slice(0, equals))
    return equals === -1 || typeof spec !== 'object' ? spec : { ...spec, value: sliceSpan(word, equals + 1) }
  }
  const spec = SHORT.get(word.text.slice(0, 2))
  return spec === undefined || word.text.length === 2 ? spec : { ...spec, value: sliceSpan(word, 2) }
}

/** Optparse takes any beginning of a name that fits one name only. */
function longOption(name: string): Spec | 'ambiguous' | undefined {
  const exact = LONG.get(name)
  if (exact !== undefined) return exact
  const [only, ...others] = [...LONG].filter(([long]) => long.startsWith(name))
  return others.length === 0 ? only?.[1] : 'ambiguous'
}

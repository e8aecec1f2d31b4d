/**
 * What a value looks like when it escapes: the one table of forms, for the leak
 * check and for the redactor. A row says how its text is made, by whose rule,
 * and how the text may be broken up.
 *
 * @packageDocumentation
 */

import {
  base32,
  base64,
  base64Twice,
  base64url,
  form,
  hex,
  hexColumns,
  hexEscapes,
  hexSeparated,
  json,
  lineEnds,
  markup,
  octalEscapes,
  percent,
  pythonRepr,
  reversed,
  shell,
  trimmed,
  unicodeEscapes,
  utf16be,
  utf16le,
  type Encoder,
} from './encodings.js'
import { secretLines } from './lines.js'

/**
 * How the leak check finds a text that is broken up. `text`: over lines, with any indent. `dump`: over the lines of a
 * hex dump, with offsets and columns. Without either it is found in one piece only. The redactor looks through breaks
 * in every form.
 */
export type Breaks = 'text' | 'dump'

/** One row of {@link FORMS}. */
export interface Form {
  readonly encode: Encoder
  /** Where the rule comes from. */
  readonly source: string
  readonly breaks?: Breaks
}

/**
 * All forms. Where two forms of a value have the same text it counts for the first, so that a plain token is just
 * `raw` and not `percent` too.
 */
export const FORMS = {
  raw: { encode: (value) => [value], source: 'the value itself' },
  trimmed: {
    encode: trimmed,
    source: 'a value without the white space around it, as `$(cat file)` gives it',
  },
  'line-ends': {
    encode: lineEnds,
    source: 'RFC 2046 section 4.1.1 (CRLF); `echo $VALUE` and `tr -d` of a shell',
  },
  line: {
    encode: secretLines,
    source: 'a line of a value that has several, such as one of a PEM file (RFC 7468)',
  },
  json: { encode: json, source: 'RFC 8259 section 7' },
  python: { encode: pythonRepr, source: 'https://docs.python.org/3/library/functions.html#repr' },
  shell: { encode: shell, source: 'https://www.gnu.org/software/bash/manual/html_node/Quoting.html' },
  markup: { encode: markup, source: 'https://www.w3.org/TR/xml/#sec-references' },
  percent: {
    encode: percent,
    source: 'RFC 3986 section 2.1; https://url.spec.whatwg.org/#percent-encoded-bytes',
  },
  form: { encode: form, source: 'https://url.spec.whatwg.org/#application/x-www-form-urlencoded' },
  base64: { encode: base64, source: 'RFC 4648 section 4', breaks: 'text' },
  base64url: { encode: base64url, source: 'RFC 4648 section 5', breaks: 'text' },
  'base64-twice': { encode: base64Twice, source: 'RFC 4648 section 4, twice', breaks: 'text' },
  base32: { encode: base32, source: 'RFC 4648 section 6', breaks: 'text' },
  hex: { encode: hex, source: 'RFC 4648 section 8', breaks: 'text' },
  'hex-separated': {
    encode: hexSeparated,
    source: 'the manual pages of od, hexdump, xxd -i and openssl x509',
  },
  'hex-columns': { encode: hexColumns, source: 'the manual page of xxd' },
  'hex-dump': {
    encode: hex,
    source: 'the manual pages of od, hexdump, xxd and openssl x509',
    breaks: 'dump',
  },
  'hex-escapes': { encode: hexEscapes, source: 'ISO C section 6.4.4.4 (hexadecimal escape sequence)' },
  'octal-escapes': { encode: octalEscapes, source: 'ISO C section 6.4.4.4 (octal escape sequence)' },
  'unicode-escapes': { encode: unicodeEscapes, source: 'RFC 8259 section 7 (\\uXXXX)' },
  'utf-16le': { encode: utf16le, source: 'RFC 2781 section 3.2' },
  'utf-16be': { encode: utf16be, source: 'RFC 2781 section 3.2' },
  reversed: { encode: reversed, source: 'the bytes from the last to the first' },
} as const satisfies Readonly<Record<string, Form>>

/** Name of a form, as reports show it. */
export type FormName = keyof typeof FORMS

/** The names in the order of the table. */
export const FORM_NAMES = Object.keys(FORMS) as readonly FormName[]

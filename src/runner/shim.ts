/**
 * How values reach a container without standing in its configuration: a shell
 * script in front of the command reads them from standard input, exports them
 * or writes them to memory files, and becomes the command. Nothing but the
 * shell is needed; with a terminal, `stty`, without which the terminal would
 * echo them.
 *
 * The script and we take turns. It says its mark on standard error when it is
 * ready, and again when it has read everything: no value is sent to a terminal
 * that echoes, and no input of the command to the script.
 *
 * What it reads are lines of printable ASCII, because a shell can read lines
 * without reading beyond them: first how many variables and files there are;
 * for each a line with its length and its name or its permissions; then one
 * with the value as `printf %b` writes it, every byte that is not printable as
 * a backslash, a zero and three octal digits
 * (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/printf.html).
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import type { SecretSet, SecretValue } from '../secret.js'

/** Mount point of the memory files. */
export const MEMORY_FOLDER = '/run/.traceless'

/** The shell that has to be there. */
export const SHELL = '/bin/sh'

/** Path of the file of that index. */
export const memoryPath = (index: number): string => `${MEMORY_FOLDER}/${index}`

/** Variables that a shell sets of its own accord. */
const SHELLS_OWN = ['PWD', 'OLDPWD', 'SHLVL'] as const

/** Names that a shell takes over from its environment; one with others among them drops those. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** What the script stands in front of. */
export interface ShimmedCommand {
  readonly command: readonly string[]
  /** Variables that the container has without us, `NAME=VALUE`. */
  readonly variables: readonly string[]
}

/** The container's entrypoint and command, and what to wait for. */
export interface Shim {
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  /** A word that nobody else says. */
  readonly mark: string
}

/** Puts the script in front of a command. */
export function shimFor({ command, variables }: ShimmedCommand): Shim {
  const mark = `traceless-${randomBytes(8).toString('hex')}`
  const names = new Set(variables.map((variable) => variable.slice(0, variable.indexOf('='))))
  const strange = variables.filter((variable) => !NAME.test(variable.slice(0, variable.indexOf('='))))
  return {
    entrypoint: [SHELL, '-c', script(SHELLS_OWN.filter((name) => !names.has(name)))],
    // Shells keep no variable whose name is none to them, so that "env" has to set these again.
    command: [mark, ...(strange.length === 0 ? [] : ['env', ...strange]), ...command],
    mark,
  }
}

/**
 * The script. `$0` is the mark, `$@` the command. Its own variables have names that no secret may have, and are gone at
 * the end.
 *
 * @param foreign - variables that the shell makes and the container would not have.
 */
const script = (foreign: readonly string[]): string => `
_TRACELESS_end() { printf '%s\\n' 'The values did not arrive.' >&2; exit 125; }
if [ -t 0 ]; then
  _TRACELESS_tty=$(stty -g 2>/dev/null) && stty raw -echo min 0 time 255 2>/dev/null || { printf '%s\\n' 'There is no stty.' >&2; exit 125; }
fi
printf '%s\\n' "$0" >&2
IFS=' ' read -r _TRACELESS_variables _TRACELESS_files || _TRACELESS_end
while [ "$_TRACELESS_variables" -gt 0 ]; do
  IFS=' ' read -r _TRACELESS_length _TRACELESS_name && IFS= read -r _TRACELESS_line || _TRACELESS_end
  [ "\${#_TRACELESS_line}" -eq "$_TRACELESS_length" ] || _TRACELESS_end
  _TRACELESS_line=$(printf '%b.' "$_TRACELESS_line")
  export "$_TRACELESS_name=\${_TRACELESS_line%.}"
  _TRACELESS_variables=$((_TRACELESS_variables - 1))
done
_TRACELESS_umask=$(umask)
_TRACELESS_index=0
while [ "$_TRACELESS_index" -lt "$_TRACELESS_files" ]; do
  IFS=' ' read -r _TRACELESS_length _TRACELESS_mask _TRACELESS_mode && IFS= read -r _TRACELESS_line || _TRACELESS_end
  [ "\${#_TRACELESS_line}" -eq "$_TRACELESS_length" ] || _TRACELESS_end
  umask "$_TRACELESS_mask"
  printf '%b' "$_TRACELESS_line" >"${MEMORY_FOLDER}/$_TRACELESS_index" || _TRACELESS_end
  [ "$_TRACELESS_mode" = - ] || chmod "$_TRACELESS_mode" "${MEMORY_FOLDER}/$_TRACELESS_index" || _TRACELESS_end
  _TRACELESS_index=$((_TRACELESS_index + 1))
done
umask "$_TRACELESS_umask"
[ -z "\${_TRACELESS_tty-}" ] || stty "$_TRACELESS_tty"
printf '%s\\n' "$0" >&2
unset -f _TRACELESS_end
unset _TRACELESS_tty _TRACELESS_variables _TRACELESS_files _TRACELESS_length _TRACELESS_name _TRACELESS_line
unset _TRACELESS_umask _TRACELESS_index _TRACELESS_mask _TRACELESS_mode ${foreign.join(' ')}
exec "$@"
`

/** A file to write. */
export interface ShimFile {
  readonly mode: number
  readonly content: SecretValue
}

/** What is sent to the script. The caller wipes it. */
export function shimInput(variables: SecretSet, files: readonly ShimFile[]): Uint8Array {
  const entries = [
    ...[...variables].map(([name, value]) => ({ about: name, value })),
    ...files.map(({ mode, content }) => ({ about: permissions(mode), value: content })),
  ].map(({ about, value }) => ({ about, value, length: value.use(writtenLength) }))
  const size = entries.reduce((sum, { about, length }) => sum + `${length} ${about}\n\n`.length + length, 32)
  const input = Buffer.alloc(size)
  let at = input.write(`${variables.size} ${files.length}\n`, 'latin1')
  for (const { about, value, length } of entries) {
    at += input.write(`${length} ${about}\n`, at, 'latin1')
    at = value.use((bytes) => writeBytes(bytes, input, at))
    at = input.writeUInt8(0x0a, at)
  }
  return input.subarray(0, at)
}

/**
 * The mask under which a new file gets its permissions at once, and those that it cannot get this way: a shell makes no
 * file that can be run.
 */
function permissions(mode: number): string {
  const mask = (0o777 & ~mode).toString(8).padStart(4, '0')
  return `${mask} ${(mode & 0o111) === 0 ? '-' : mode.toString(8).padStart(4, '0')}`
}

/** Bytes that stand for themselves: printable ASCII but the backslash. */
const isPlain = (byte: number): boolean => byte >= 0x20 && byte < 0x7f && byte !== 0x5c

/** Bytes that an escaped one takes. */
const ESCAPED_BYTES = 5

const writtenLength = (bytes: Uint8Array): number =>
  bytes.reduce((sum, byte) => sum + (isPlain(byte) ? 1 : ESCAPED_BYTES), 0)

/** @returns the offset behind what was written. */
function writeBytes(bytes: Uint8Array, to: Buffer, from: number): number {
  let at = from
  for (const byte of bytes) {
    if (isPlain(byte)) {
      to[at] = byte
      at += 1
    } else {
      at += to.write(`\\0${byte.toString(8).padStart(3, '0')}`, at, 'latin1')
    }
  }
  return at
}

/**
 * The lines of a value that are secret on their own: a key, a credentials file
 * or a list of settings gets printed and copied line by line. What stands in
 * every file of the kind (the first line of a PEM file, the public addresses
 * in a service account) must not count, or every other such file is a finding.
 *
 * @packageDocumentation
 */

/** Shortest line that is searched for alone, in bytes after trimming. */
export const LONG_LINE_BYTES = 16

/** Shortest value of a setting, such as `PASSWORD=…`, that is searched for alone, in bytes. */
export const LONG_SETTING_BYTES = 8

// The boundary lines of RFC 7468 section 2 and of OpenPGP's armor.
const ARMOR = /^-----(?:BEGIN|END) [ -~]*-----$/
// The headers of RFC 1421 section 4.6 and RFC 4880 section 6.2: the same in many files.
const ARMOR_HEADER = /^(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|MessageID): /
// The first line of an OpenSSH key in base64: what it is and how it is sealed, the same for all of a kind and public for any.
// https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key
const OPENSSH = 'b3BlbnNzaC1rZXktdjE'
const SETTING = /^(?:export\s+)?["']?[\w.-]+["']?\s*[:=]\s*(["']?)([^=\s].*?)\1[,;]?$/
// Words, numbers, host names, addresses of mail and of the web without credentials.
const PUBLIC =
  /^(?:[A-Za-z_ -]+|[\d.]+|(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?|[\w.+-]+@(?:[\w-]+\.)+[a-z]+|[a-z]+:\/\/[^@]*)$/

/** The lines of a multi-line value that are searched for alone. A value of one line has none. */
export function secretLines(value: Uint8Array): readonly Uint8Array[] {
  const lines = Buffer.from(value)
    .toString('latin1')
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (lines.length < 2) return []
  return lines.flatMap(secretIn).map((line) => Buffer.from(line, 'latin1'))
}

function secretIn(line: string): readonly string[] {
  if (ARMOR.test(line) || ARMOR_HEADER.test(line) || line.startsWith(OPENSSH)) return []
  const setting = SETTING.exec(line)?.[2]
  if (setting !== undefined)
    return setting.length >= LONG_SETTING_BYTES && !PUBLIC.test(setting) ? [setting] : []
  return line.length >= LONG_LINE_BYTES ? [line] : []
}

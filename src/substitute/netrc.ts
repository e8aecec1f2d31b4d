/**
 * The netrc file that pip reads its credentials from: which hosts one can
 * serve, and how Python's versions read it.
 *
 * A netrc knows hosts, no ports, schemes or paths, and pip sends an entry's
 * login to every URL of the host that has none of its own: `get_netrc_auth` in
 * https://github.com/psf/requests/blob/main/src/requests/utils.py
 *
 * @packageDocumentation
 */

import { joinedAndWiped, type Credential } from './fill.js'
import { grouped, loginKey } from './git-scope.js'
import type { Client, Login, RequirementList } from './list.js'

/**
 * How Python's `netrc` module reads a word. `quoting` (from 3.11): quotes and backslashes as in a shell. `plain` (to
 * 3.10): everything up to white space, so that a word is neither empty nor holds any. `any`: not known, or git reads the
 * file too, whose library reads quotes since 7.84.0: only what all
 * read alike. https://docs.python.org/3/library/netrc.html#netrc.netrc, https://curl.se/libcurl/c/CURLOPT_NETRC.html
 */
export type NetrcReader = 'quoting' | 'plain' | 'any'

/** The reader of a Python version such as `3.11.2`. */
export function netrcReader(pythonVersion: string | undefined): NetrcReader {
  const match = /^(\d+)\.(\d+)/.exec(pythonVersion ?? '')
  if (match === null) return 'any'
  const [major, minor] = [Number(match[1]), Number(match[2])]
  return major > 3 || (major === 3 && minor >= 11) ? 'quoting' : 'plain'
}

/**
 * Hosts of the logins that a netrc is to serve: `undefined` for one that it can serve, else why not, as a sentence.
 *
 * @param clients - who reads the file.
 */
export function netrcHosts(
  { logins, pipOrigins, gitOrigins }: Pick<RequirementList, 'logins' | 'pipOrigins' | 'gitOrigins'>,
  clients: readonly Client[],
): ReadonlyMap<string, string | undefined> {
  const byHost = grouped(
    logins.filter(({ client }) => clients.includes(client)),
    ({ host }) => host,
  )
  return new Map(
    [...byHost].map(([host, there]) => {
      const origins = new Set([
        ...(pipOrigins.get(host) ?? []),
        ...(clients.includes('git') ? (gitOrigins.get(host) ?? []) : []),
      ])
      return [host, whyNoNetrc(host, there, origins.size)]
    }),
  )
}

function whyNoNetrc(host: string, logins: readonly Login[], origins: number): string | undefined {
  // "default" would be the entry for every host there is.
  if (!/^[a-z0-9_.-]+$/.test(host) || host === 'default') {
    return `A netrc file cannot name the host ${host}.`
  }
  if (origins > 1) {
    return `A netrc file knows hosts only, and the list uses more than one scheme or port of ${host}.`
  }
  return new Set(logins.map(loginKey)).size > 1
    ? `A netrc file knows one login for a host, and the list has several for ${host}.`
    : undefined
}

/** Whether a reader gets back what {@link netrcEntry} writes. */
export function fitsNetrc({ user, password }: Credential, reader: NetrcReader): boolean {
  if (reader === 'quoting') return true
  const alike = reader === 'plain' ? /^[!-~]+$/ : /^[!#-[\]-~]+$/
  return [user, password].every((word) => alike.test(word.toString('latin1')))
}

/** One `machine` line. */
export function netrcEntry(host: string, { user, password }: Credential, reader: NetrcReader): Buffer {
  return joinedAndWiped([
    Buffer.from(`machine ${host} login `),
    netrcWord(user, reader),
    Buffer.from(' password '),
    netrcWord(password, reader),
    Buffer.from('\n'),
  ])
}

function netrcWord(word: Buffer, reader: NetrcReader): Buffer {
  if (reader !== 'quoting') return Buffer.from(word)
  const out = Buffer.alloc(word.length * 2 + 2, '"')
  let end = 1
  for (const byte of word) {
    if (byte === 0x22 || byte === 0x5c) {
      out[end] = 0x5c
      end += 1
    }
    out[end] = byte
    end += 1
  }
  return out.subarray(0, end + 1).fill('"', end)
}

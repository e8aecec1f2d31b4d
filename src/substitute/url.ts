/**
 * Where things stand in a URL as it is written in a requirement list, with
 * placeholders still in it: ranges, not values. A placeholder holds none of
 * the characters that part a URL, so text can be searched as it stands.
 *
 * The cuts are those of Python's `urlsplit` and of pip's
 * `split_auth_from_netloc` (the last `@`, the first `:`):
 * https://github.com/pypa/pip/blob/23.2.1/src/pip/_internal/utils/misc.py
 *
 * @packageDocumentation
 */

/** A half-open range of indexes. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** The parts of a URL, as ranges into its text. */
export interface UrlParts {
  /** In lower case, `git+https` for instance. */
  readonly scheme: string
  /** Before the `@`, which is not included. */
  readonly userInfo: Range | undefined
  readonly host: Range
  /** After the `:`. */
  readonly port: Range | undefined
  readonly path: Range
  /** After the `?`. */
  readonly query: Range | undefined
  /** After the `#`. */
  readonly fragment: Range | undefined
}

/** Where in a URL a character stands. `query-name`: in a query, but not behind an `=`. */
export type Region = 'scheme' | 'user-info' | 'host' | 'port' | 'path' | 'query' | 'query-name' | 'fragment'

const SCHEME = /^[a-z][a-z0-9+.-]*(?=:\/\/)/i

/** Takes a URL apart, or gives `undefined` where the text has no `scheme://`. */
export function splitUrl(text: string): UrlParts | undefined {
  const scheme = SCHEME.exec(text)?.[0]
  if (scheme === undefined) return undefined
  const from = scheme.length + 3
  const rest = text.slice(from).search(/[/?#]/)
  const authorityEnd = rest === -1 ? text.length : from + rest
  const at = text.lastIndexOf('@', authorityEnd - 1)
  const hasUserInfo = at >= from
  const hostFrom = hasUserInfo ? at + 1 : from
  const bracket = text.charAt(hostFrom) === '[' ? text.indexOf(']', hostFrom) : -1
  const colon = text.indexOf(':', Math.max(hostFrom, bracket))
  const hasPort = colon !== -1 && colon < authorityEnd
  const hash = text.indexOf('#', authorityEnd)
  const fragmentMark = hash === -1 ? text.length : hash
  const question = text.indexOf('?', authorityEnd)
  const hasQuery = question !== -1 && question < fragmentMark
  return {
    scheme: scheme.toLowerCase(),
    userInfo: hasUserInfo ? { from, to: at } : undefined,
    host: { from: hostFrom, to: hasPort ? colon : authorityEnd },
    port: hasPort ? { from: colon + 1, to: authorityEnd } : undefined,
    path: { from: authorityEnd, to: hasQuery ? question : fragmentMark },
    query: hasQuery ? { from: question + 1, to: fragmentMark } : undefined,
    fragment: hash === -1 ? undefined : { from: hash + 1, to: text.length },
  }
}

/** The region in which the character at an index stands. */
export function regionAt(text: string, parts: UrlParts, index: number): Region {
  const { userInfo, host, port, path, query } = parts
  if (userInfo !== undefined && index >= userInfo.from && index < userInfo.to) return 'user-info'
  if (index < host.from) return 'scheme'
  if (index < host.to) return 'host'
  if (port !== undefined && index < port.to) return 'port'
  if (index < path.to) return 'path'
  if (query === undefined || index >= query.to) return 'fragment'
  const parameter = text.slice(query.from, index)
  return parameter.slice(parameter.lastIndexOf('&') + 1).includes('=') ? 'query' : 'query-name'
}

/**
 * A host that every program reads alike: a name or an IPv4 address, or an IPv6
 * address in brackets; and digits, or nothing, for the port. Where a secret
 * goes must not depend on who parses the URL.
 */
export function hasPlainHost(text: string, { host, port }: UrlParts): boolean {
  return (
    /^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])$/i.test(text.slice(host.from, host.to)) &&
    (port === undefined || /^\d*$/.test(text.slice(port.from, port.to)))
  )
}

/** The host in lower case, brackets included. */
export const hostOf = (text: string, { host }: UrlParts): string =>
  text.slice(host.from, host.to).toLowerCase()

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' }

/** `scheme://host[:port]` in lower case, without the scheme's own port and without `git+`. */
export function originOf(text: string, parts: UrlParts): string {
  const { port } = parts
  const plain = parts.scheme.replace(/^git\+/, '')
  const number = port === undefined ? '' : text.slice(port.from, port.to).replace(/^0+(?=\d)/, '')
  const shown = number === '' || number === DEFAULT_PORTS[plain] ? '' : `:${number}`
  return `${plain}://${hostOf(text, parts)}${shown}`
}

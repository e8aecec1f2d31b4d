/**
 * Which server is meant, checked before anything is sent to it.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'

/** Names and addresses of this machine, where plain HTTP stays inside it. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/**
 * Checks the address of a server.
 *
 * @param allowPlainHttp - lets `http:` go to another machine, for networks that are protected by other means.
 * @returns `scheme://host[:port]/path` without a slash at its end.
 * @throws {@link Fault} `REQUEST_INVALID`; the text is not repeated, because a URL can hold a password.
 */
export function serverAddress(text: string, { allowPlainHttp = false } = {}): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new Fault('REQUEST_INVALID', 'The address of the server is not one.', {
      hint: 'Write https://HOST[:PORT].',
    })
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new Fault('REQUEST_INVALID', 'The address of the server holds more than host, port and path.', {
      hint: 'Give the token in TRACELESS_TOKEN, or with "traceless login".',
    })
  }
  if (url.protocol === 'http:' && !allowPlainHttp && !LOOPBACK.test(url.hostname)) {
    throw new Fault('REQUEST_INVALID', 'The token and values would travel unprotected to that server.', {
      hint: 'Use https, or set TRACELESS_ALLOW_HTTP=1 where the network is protected by other means.',
    })
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

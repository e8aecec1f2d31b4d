/**
 * Pages by the part of the address behind `#`, which the browser keeps to
 * itself.
 *
 * @packageDocumentation
 */

/** A page. */
export type Route =
  | { readonly page: 'secrets' }
  | {
      readonly page: 'secret'
      readonly environment: string
      readonly group: string | null
      readonly name: string
    }
  | { readonly page: 'groups' }
  | { readonly page: 'builds' }
  | { readonly page: 'build'; readonly id: string }
  | { readonly page: 'new-build' }
  | { readonly page: 'environments' }
  | { readonly page: 'tokens' }
  | { readonly page: 'workers' }

const PLAIN = ['groups', 'builds', 'environments', 'tokens', 'workers'] as const

/** Reads an address; one that names no page is the first page. */
export function routeOf(hash: string): Route {
  const parts = hash.replace(/^#\/?/, '').split('/').map(decoded)
  const [page = '', first, second, third] = parts
  if (page === 'builds' && first === 'new') return { page: 'new-build' }
  if (page === 'builds' && first !== undefined) return { page: 'build', id: first }
  if (page === 'secrets' && first !== undefined && second !== undefined) {
    return third === undefined
      ? { page: 'secret', environment: first, group: null, name: second }
      : { page: 'secret', environment: first, group: second, name: third }
  }
  const plain = PLAIN.find((name) => name === page)
  return plain === undefined ? { page: 'secrets' } : { page: plain }
}

/** The address of a page. */
export function hrefOf(route: Route): string {
  switch (route.page) {
    case 'secret':
      return `#${['', 'secrets', route.environment, ...(route.group === null ? [] : [route.group]), route.name].map(encodeURIComponent).join('/')}`
    case 'build':
      return `#/builds/${encodeURIComponent(route.id)}`
    case 'new-build':
      return '#/builds/new'
    case 'secrets':
    case 'groups':
    case 'builds':
    case 'environments':
    case 'tokens':
    case 'workers':
      return `#/${route.page}`
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/**
 * Names of images, taken apart.
 *
 * @packageDocumentation
 */

const HUB = 'docker.io'

/** Splits `host:5000/name:tag`; a colon before the last slash belongs to the host. */
export function splitReference(reference: string): { readonly repository: string; readonly tag: string } {
  const colon = reference.lastIndexOf(':')
  if (colon <= reference.lastIndexOf('/')) return { repository: reference, tag: 'latest' }
  return { repository: reference.slice(0, colon), tag: reference.slice(colon + 1) }
}

/**
 * A reference with everything that is left out in short ones: Docker Hub's host, its folder of official images, the tag
 * (https://github.com/distribution/reference/blob/main/normalize.go).
 */
export function fullReference(reference: string): string {
  const host = registryOf(reference)
  const { repository, tag } = splitReference(reference)
  const isShort = host === HUB && !repository.startsWith(`${HUB}/`)
  const path = isShort ? `${HUB}/${repository.includes('/') ? '' : 'library/'}${repository}` : repository
  return `${path}:${tag}`
}

/**
 * Host of the registry that a reference names: its first component if that has a dot, a colon or is `localhost`
 * (https://github.com/distribution/reference/blob/main/normalize.go).
 */
export function registryOf(reference: string): string {
  const first = reference.split('/')[0] ?? ''
  const isHost = reference.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  return isHost ? first : HUB
}

/** The name within its registry. */
export function withoutHost(repository: string): string {
  const path = splitReference(fullReference(repository)).repository
  return path.slice(path.indexOf('/') + 1)
}

/** A reference as short as it can be, which is how BuildKit's frontend looks other contexts up. */
export function shortReference(reference: string): string {
  const { repository, tag } = splitReference(fullReference(reference))
  const path = repository.replace(/^docker\.io\/(?:library\/)?/, '')
  return tag === 'latest' ? path : `${path}:${tag}`
}

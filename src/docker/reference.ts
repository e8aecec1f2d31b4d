/**
 * Names of images, taken apart.
 *
 * @packageDocumentation
 */

/** Splits `host:5000/name:tag`; a colon before the last slash belongs to the host. */
export function splitReference(reference: string): { readonly repository: string; readonly tag: string } {
  const colon = reference.lastIndexOf(':')
  if (colon <= reference.lastIndexOf('/')) return { repository: reference, tag: 'latest' }
  return { repository: reference.slice(0, colon), tag: reference.slice(colon + 1) }
}

/**
 * Host of the registry that a reference names: its first component if that has a dot, a colon or is `localhost`
 * (https://github.com/distribution/reference/blob/main/normalize.go).
 */
export function registryOf(reference: string): string {
  const first = reference.split('/')[0] ?? ''
  const isHost = reference.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  return isHost ? first : 'docker.io'
}

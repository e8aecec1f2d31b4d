/**
 * Requirements that name their source by a URL (PEP 508 direct references, and
 * pip's bare URLs): what an installation that fetches sources itself has to
 * know of them. https://peps.python.org/pep-0508/
 *
 * @packageDocumentation
 */

import type { Span } from './lines.js'
import type { DirectRequirement } from './list.js'
import { splitUrl } from './url.js'

/** A direct requirement, with the offset of its URL in the file. */
export interface FoundDirect extends Omit<
  DirectRequirement,
  'file' | 'line' | 'column' | 'path' | 'lineStarts' | 'constrains'
> {
  readonly offset: number
}

const NAMED = /^([a-z0-9][a-z0-9._-]*)[ \t]*(?:\[([^\]]*)\])?[ \t]*@/i
const EGG = /^([a-z0-9][a-z0-9._-]*)(?:\[([^\]]*)\])?$/i

/**
 * Reads the direct reference of a requirement.
 *
 * @param requirement - everything before the options.
 * @param url - where the URL stands in it.
 */
export function directOf(
  requirement: Span,
  url: Span,
  {
    lifted,
    editable,
    hasOptions,
  }: {
    /** The user-info holds a placeholder, and goes. */
    readonly lifted: boolean
    readonly editable: boolean
    readonly hasOptions: boolean
  },
): FoundDirect | undefined {
  const parts = splitUrl(url.text)
  if (parts === undefined) return undefined
  const { userInfo, fragment } = parts
  const from = url.at[0] ?? 0
  const named = NAMED.exec(requirement.text)
  const settings = new URLSearchParams(
    fragment === undefined ? '' : url.text.slice(fragment.from, fragment.to),
  )
  const egg = EGG.exec(settings.get('egg') ?? '')
  const end = fragment === undefined ? url.text.length : fragment.from - 1
  const cut = lifted && userInfo !== undefined ? [userInfo.from, userInfo.to + 1] : [end, end]
  const rest = requirement.text.slice(requirement.text.indexOf(url.text) + url.text.length)
  return {
    offset: from,
    scheme: parts.scheme,
    url: url.text.slice(0, cut[0]) + url.text.slice(cut[1], end),
    archive: url.text.slice(parts.path.from, parts.path.to).split('/').at(-1) ?? '',
    name: named?.[1] ?? egg?.[1],
    extras: (named?.[2] ?? egg?.[2] ?? '').replaceAll(/\s/g, ''),
    marker: rest.replace(/^\s*;/, '').trim(),
    subdirectory: settings.get('subdirectory') ?? '',
    editable,
    hasOptions,
  }
}

/**
 * Values in what goes into a build: nothing that holds one may reach the
 * engine, where it would stay in caches and layers.
 *
 * @packageDocumentation
 */

import { ByteReader } from '../bytes/byte-reader.js'
import { TarWalk } from '../bytes/tar-walk.js'
import { Fault } from '../errors.js'
import type { FormName } from './forms.js'
import { Lead } from './lead.js'
import { Matcher } from './match.js'
import type { NeedleSet } from './needles.js'
import { leadBytes, Pass } from './pass.js'
import { placeText } from './place-text.js'

/** One occurrence in a text. */
export interface TextFinding {
  /** Name of the secret. */
  readonly secret: string
  readonly form: FormName
  /** Where it begins, in bytes. */
  readonly offset: number
}

/** All occurrences in a text such as a Dockerfile, a build argument or a label, in the order in which they begin. */
export function findInText(text: Uint8Array, needles: NeedleSet): readonly TextFinding[] {
  const matcher = new Matcher(needles)
  return [...matcher.push(text), ...matcher.end()]
    .sort((a, b) => a.start - b.start)
    .flatMap(({ needle, start }) => {
      const found = needles.needles[needle]
      return found === undefined ? [] : [{ secret: found.secret, form: found.form, offset: start }]
    })
}

/**
 * Passes a build context, a tar stream, through unchanged. Its bytes come out a little later than they go in: nothing
 * leaves before the search has gone past it.
 *
 * @throws {@link Fault} `SECRET_IN_INPUT` before any byte of a chunk is passed on that completes a value; the fault names
 * the secret, its form and the file.
 */
export async function* watchInput(
  context: AsyncIterable<Uint8Array>,
  needles: NeedleSet,
): AsyncGenerator<Uint8Array> {
  const pass = new Pass({ matcher: new Matcher(needles), lead: new Lead(leadBytes(needles)) })
  const ready: Uint8Array[] = []
  const reader = new ByteReader(collecting(pass.ahead(context), ready))
  const walk = new TarWalk(reader, { content: () => false, name: () => false })
  try {
    for (let over = false; !over;) {
      walk.watch = pass.next
      const stop = walk.next()
      if (stop.kind === 'watched') throw refusal(pass, needles, stop.entry.path)
      if (stop.kind === 'split') {
        const [found] = findInText(stop.entry.path, needles)
        if (found !== undefined) throw inInput(found, placeText(stop.entry.path, needles))
      } else if (stop.kind === 'bytes') {
        if (pass.next === Infinity) yield* ready.splice(0)
        over = !(await reader.fill(stop.count))
      } else if (stop.kind === 'damaged') over = true
    }
    // What follows the archive, or what is none, is searched all the same.
    do {
      if (pass.next !== Infinity) throw refusal(pass, needles)
      yield* ready.splice(0)
      reader.skip(reader.buffered)
    } while (await reader.fill(1))
  } finally {
    await reader.close()
  }
}

async function* collecting(
  source: AsyncIterable<Uint8Array>,
  into: Uint8Array[],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    into.push(Uint8Array.from(chunk))
    yield chunk
  }
}

function refusal(pass: Pass, needles: NeedleSet, path?: Uint8Array): Fault {
  const [hit] = pass.before(Infinity)
  const needle = hit && needles.needles[hit.needle]
  if (needle === undefined) throw new RangeError('a hit of a needle that is not in the set')
  return inInput(needle, path && placeText(path, needles))
}

function inInput({ secret, form }: { secret: string; form: FormName }, path: string | undefined): Fault {
  return new Fault(
    'SECRET_IN_INPUT',
    `The value of ${secret} stands in ${path === undefined ? 'the build context' : `${path} of the build context`}. Nothing of it was built.`,
    {
      hint: 'Take it out of the file, or leave the file out with .dockerignore, and use the secret through --mount=type=secret.',
      detail: { secret, form, ...(path === undefined ? {} : { path }) },
    },
  )
}

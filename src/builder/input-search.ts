/**
 * No value may enter a build by its input: what is sent to the engine is
 * searched on its way, and a hit stops it before any step runs.
 *
 * @packageDocumentation
 */

import { faultOf, type Problem } from '../errors.js'
import { findInText, watchInput } from '../leak/input.js'
import type { NeedleSet } from '../leak/needles.js'
import { redactText } from '../leak/redact.js'
import type { AssembledBuild } from './prepared.js'
import type { CheckedOptions } from './request.js'

/**
 * Searches what is sent beside the context.
 *
 * @param texts - by what to call the place of each.
 * @throws {@link Fault} `SECRET_IN_INPUT`, naming each secret and where it stands.
 */
export function requireNoSecretIn(needles: NeedleSet, texts: ReadonlyMap<string, string>): void {
  const problems: Problem[] = []
  for (const [place, text] of texts) {
    const names = new Set(findInText(Buffer.from(text, 'utf8'), needles).map(({ secret }) => secret))
    for (const name of names) {
      problems.push({
        code: 'SECRET_IN_INPUT',
        // A name that was typed may be the value itself.
        message: `The value of ${name} stands in ${redactText(place, needles)}.`,
        hint: 'Mount it with --mount=type=secret.',
      })
    }
  }
  if (problems.length > 0) throw faultOf(problems)
}

/** What options send to the engine with each build, the one that looks into the base included. */
export const optionTexts = ({ buildArgs, labels, extraHosts }: CheckedOptions): ReadonlyMap<string, string> =>
  new Map([
    ...[...buildArgs].map(([name, value]) => [`the build argument ${name}`, `${name}=${value}`] as const),
    ...[...labels].map(([name, value]) => [`the label ${name}`, `${name}=${value}`] as const),
    ['the entries for /etc/hosts', extraHosts.join('\n')],
  ])

/** What is sent beside the context once it is known. */
export const inputTexts = ({ dockerfile, namedContexts }: AssembledBuild): ReadonlyMap<string, string> =>
  new Map([
    ['the Dockerfile', dockerfile],
    ...[...namedContexts].map(([name, value]) => [`the build context ${name}`, `${name}=${value}`] as const),
  ])

/** The context, searched while it is sent. */
export const watchedContext =
  (context: () => AsyncIterable<Uint8Array>, needles: NeedleSet): (() => AsyncIterable<Uint8Array>) =>
  () =>
    watchInput(context(), needles)

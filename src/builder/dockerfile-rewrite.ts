/**
 * The Dockerfile that the engine gets: the user's own, line for line, with
 * opaque mount ids and a name for every stage. BuildKit shares steps between
 * builds whose values differ, because only the id of a mount is part of a
 * step's key; so the id has to stand for tenant, secret and version.
 *
 * @packageDocumentation
 */

import type { Placed, ReadDockerfile, Stage } from './dockerfile-read.js'

/** Stages that a build of `target` runs, lowest first. */
export function reachedStages(dockerfile: ReadDockerfile, target: Stage): readonly Stage[] {
  const reached = new Set<Stage>()
  const open = [target]
  for (let stage = open.pop(); stage !== undefined; stage = open.pop()) {
    if (reached.has(stage)) continue
    reached.add(stage)
    for (const source of [stage.base, ...stage.uses]) {
      const below = source.kind === 'stage' ? dockerfile.stages[source.index] : undefined
      if (below !== undefined) open.push(below)
    }
  }
  return dockerfile.stages.filter((stage) => reached.has(stage))
}

/**
 * Stages to solve beside the target so that every layer that ran can be read. A stage on which another one builds is
 * left out: its layers and its history are a part of the other's.
 */
export function stagesToRead(reached: readonly Stage[], target: Stage): readonly Stage[] {
  const bases = new Set(reached.map(({ base }) => (base.kind === 'stage' ? base.index : -1)))
  return reached.filter(
    (stage) =>
      stage !== target && !bases.has(stage.index) && !(stage.base.kind === 'scratch' && !stage.hasLayers),
  )
}

/** The stage that `--target` means, the last one without it; `undefined` where there is none of that name. */
export function targetStage(dockerfile: ReadDockerfile, target: string | undefined): Stage | undefined {
  if (target === undefined || target === '') return dockerfile.stages.at(-1)
  const named = dockerfile.stages.findLast((stage) => stage.name?.toLowerCase() === target.toLowerCase())
  return named ?? (/^\d+$/.test(target) ? dockerfile.stages[Number(target)] : undefined)
}

/** A name for each stage, by index: its own, or one that no stage has. */
export function stageNames(dockerfile: ReadDockerfile): readonly string[] {
  const taken = new Set(dockerfile.stages.map((stage) => stage.name?.toLowerCase()))
  return dockerfile.stages.map(({ name, index }) => {
    if (name !== undefined) return name
    let free = `stage-${String(index)}`
    while (taken.has(free)) free += 'x'
    return free
  })
}

/**
 * Writes the Dockerfile for the engine.
 *
 * @param flagOf - the flag to write in place of one that was read.
 * @returns as many lines as the original has, so that line numbers stay right.
 */
export function rewriteDockerfile(
  dockerfile: ReadDockerfile,
  flagOf: (placed: Placed<unknown>) => string,
): string {
  const names = stageNames(dockerfile)
  const edits: { start: number; end: number; text: string }[] = []
  for (const stage of dockerfile.stages) {
    if (stage.name === undefined) {
      edits.push({ start: stage.nameAt, end: stage.nameAt, text: ` AS ${names[stage.index] ?? ''}` })
    }
    for (const placed of [...stage.mounts, ...stage.sshMounts]) {
      const { start, end } = placed
      const breaks = dockerfile.text.slice(start, end).split('\n').length - 1
      // A flag that was broken over lines gives back its line breaks, so that the lines below keep their numbers.
      edits.push({ start, end, text: flagOf(placed) + ` ${dockerfile.escape}\n`.repeat(breaks) })
    }
  }
  let text = dockerfile.text
  for (const { start, end, text: replacement } of edits.sort((a, b) => b.start - a.start)) {
    text = text.slice(0, start) + replacement + text.slice(end)
  }
  return withoutSyntax(text, dockerfile)
}

/** Frontends whose work the engine's own one does: the official image, whatever its version or channel. */
const OFFICIAL_FRONTEND = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@].*)?$/

/** Whether a `# syntax=` line names a program that would be fetched and run with the build's session. */
export const isForeignFrontend = (syntax: string | undefined): boolean =>
  syntax !== undefined && !OFFICIAL_FRONTEND.test(syntax)

/**
 * Takes the `# syntax=` line out, or the engine would fetch that frontend from a registry. An escape directive must stay
 * the first line, because the first comment that is no directive ends the directives.
 */
function withoutSyntax(text: string, { syntax, escape }: ReadDockerfile): string {
  if (syntax === undefined) return text
  const lines = text.split('\n')
  const directive = (name: string): number =>
    lines.findIndex((line) => new RegExp(`^\\s*#\\s*${name}\\s*=`, 'i').test(line))
  const syntaxAt = directive('syntax')
  const escapeAt = escape === '\\' ? -1 : directive('escape')
  lines[syntaxAt] = '#'
  if (escapeAt > syntaxAt) {
    lines[syntaxAt] = `# escape=${escape}`
    lines[escapeAt] = '#'
  }
  return lines.join('\n')
}

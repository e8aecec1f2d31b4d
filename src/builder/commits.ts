/**
 * Which commits of repositories an image was made of. A stage of the build
 * writes them to a file, and the file is read out of that stage: a step that
 * the engine does not run again says nothing. It is the word of what was
 * installed, so it is checked and never believed to be more than that.
 *
 * @packageDocumentation
 */

import type { BuiltEvent, Digest, Engine } from '../docker/engine.js'
import type { AssembledBuild } from './prepared.js'
import type { ReportCommit } from './report.js'

/** Path of the file. */
export const COMMITS_FILE = '/traceless/commits.json'

/** Largest file that is read, in bytes. */
const MAX_BYTES = 1 << 20

/** Reads the commits. Empty where the build has no such stage or the file is not what it should be. */
export async function readCommits(
  engine: Pick<Engine, 'readFile'>,
  { images }: Pick<BuiltEvent, 'images'>,
  { assembled, wording }: { readonly assembled: AssembledBuild; readonly wording: (text: string) => string },
): Promise<readonly ReportCommit[]> {
  const { commitsStage, targets } = assembled
  const image: Digest | undefined =
    commitsStage === undefined ? undefined : images[targets.indexOf(commitsStage)]
  if (image === undefined) return []
  const bytes = await engine.readFile(image, { path: COMMITS_FILE, limitBytes: MAX_BYTES })
  if (bytes === null) return []
  return checked(Buffer.from(bytes).toString('utf8')).map(({ name, url, commit }) => ({
    name,
    url: wording(url),
    commit,
  }))
}

function checked(text: string): readonly ReportCommit[] {
  let rows: unknown
  try {
    rows = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
  return Array.isArray(rows) ? rows.filter(isCommit) : []
}

function isCommit(row: unknown): row is ReportCommit {
  if (typeof row !== 'object' || row === null) return false
  const { name, url, commit } = row as Readonly<Record<string, unknown>>
  return (
    typeof name === 'string' &&
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name) &&
    typeof url === 'string' &&
    /^(?:https?|ssh):\/\/[!-~]{1,2000}$/.test(url) &&
    typeof commit === 'string' &&
    /^[0-9a-f]{40,64}$/.test(commit)
  )
}

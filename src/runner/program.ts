/**
 * Finds a program as a shell does, before anything is started: what cannot
 * run is said with the exit status that a shell would give.
 *
 * @packageDocumentation
 */

import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, resolve } from 'node:path'
import { Fault } from '../errors.js'

/** Where programs are looked for without a `PATH`: what glibc's execvp takes, without the working directory. */
const DEFAULT_PATH = '/bin:/usr/bin'

/**
 * The path of a program.
 *
 * @param variables - whose `PATH` counts.
 * @throws {@link Fault} `COMMAND_NOT_FOUND` (127), or `COMMAND_NOT_EXECUTABLE` (126) where there is such a file but none
 * that can be run. The name is not repeated.
 */
export async function findProgram(
  name: string,
  { variables, cwd }: { readonly variables: Readonly<Record<string, string>>; readonly cwd: string },
): Promise<string> {
  const places = name.includes('/')
    ? [resolve(cwd, name)]
    : (variables['PATH'] ?? DEFAULT_PATH).split(delimiter).map((folder) => resolve(cwd, folder, name))
  let isThere = false
  for (const place of name === '' ? [] : places) {
    const state = await stateOf(place)
    if (state === 'runs') return place
    isThere ||= state === 'there'
  }
  if (isThere) throw new Fault('COMMAND_NOT_EXECUTABLE', 'The command is a file that cannot be run.')
  throw new Fault('COMMAND_NOT_FOUND', 'The command was not found.', {
    hint: 'Check its spelling, or give its path.',
  })
}

async function stateOf(path: string): Promise<'runs' | 'there' | 'absent'> {
  try {
    if (!(await stat(path)).isFile()) return 'there'
    await access(path, constants.X_OK)
    return 'runs'
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    return error.code === 'EACCES' ? 'there' : 'absent'
  }
}

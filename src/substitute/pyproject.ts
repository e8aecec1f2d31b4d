/**
 * The dependencies of a `pyproject.toml`. A TOML reader tells values, and not
 * where they stand.
 *
 * @packageDocumentation
 */

import { isTomlTable, readToml } from '../toml.js'

/** A dependency, and the offset in the file at which its text begins, where it is written without escapes. */
export interface ProjectDependency {
  readonly requirement: string
  readonly at: number | undefined
}

/** What a project depends on, or a sentence on why that is not known. */
export type Project =
  { readonly dependencies: readonly ProjectDependency[] } | { readonly unreadable: string }

/**
 * Reads `project.dependencies`, without the optional ones:
 * https://packaging.python.org/en/latest/specifications/pyproject-toml/#dependencies-optional-dependencies
 */
export function readProject(text: string): Project {
  const { table: document } = readToml(text)
  if (document === null) return { unreadable: 'The file is not valid TOML.' }
  const project = document['project']
  if (!isTomlTable(project)) return { unreadable: 'The file has no [project] table.' }
  if (Array.isArray(project['dynamic']) && project['dynamic'].includes('dependencies')) {
    return { unreadable: 'The dependencies of the project are dynamic: its build backend decides on them.' }
  }
  const dependencies: unknown = project['dependencies'] ?? []
  if (!isTexts(dependencies))
    return { unreadable: 'The dependencies of the project are not a list of strings.' }
  return { dependencies: located(text, dependencies) }
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')

/** Looks for each dependency behind the one before it. One that is written with escapes is not found, and has no place. */
function located(text: string, dependencies: readonly string[]): readonly ProjectDependency[] {
  let from = Math.max(0, text.search(/^[ \t]*dependencies\b/m))
  return dependencies.map((requirement) => {
    const found = ['"', "'"]
      .map((quote) => text.indexOf(quote + requirement + quote, from))
      .filter((index) => index !== -1)
    if (found.length === 0) return { requirement, at: undefined }
    const at = Math.min(...found) + 1
    from = at + requirement.length
    return { requirement, at }
  })
}

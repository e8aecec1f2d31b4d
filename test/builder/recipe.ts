/**
 * A recipe that installs nothing in particular, for tests of what is made from one.
 *
 * @packageDocumentation
 */

import type { InstallRecipe } from '../../src/builder/recipe-parts.js'

/** A base with pip and Git whose Python is its own affair. */
export const RECIPE: InstallRecipe = {
  base: 'base:1',
  baseUser: '',
  facts: {
    python: '3.11.2',
    pip: '23.0.1',
    git: '2.39.5',
    ssh: undefined,
    uv: undefined,
    externallyManaged: false,
  },
  apt: [],
  workdir: undefined,
  copy: [],
  mode: 'lifted',
  installer: 'pip',
  git: 'helper',
  list: 'requirements.txt',
  listName: 'requirements.txt',
  mounts: [],
  hasRepositories: false,
}

/**
 * The Dockerfile of a build from a requirement list. Its secret step stands
 * right behind the base image and its distribution packages: whatever
 * third-party code ran earlier would own the python and the git that see the
 * credentials.
 *
 * @packageDocumentation
 */

import {
  bindLists,
  bindPrograms,
  environment,
  imageStage,
  IMAGE_STAGE,
  LISTS_AT,
  makeVenv,
  programFiles,
  PROGRAMS_AT,
  quoted,
  run,
  secretMounts,
  settings,
  stageStart,
  VENV,
  WHEELS_AT,
  written,
  type InstallRecipe,
  type Step,
  type WrittenRecipe,
} from './recipe-parts.js'

/** Name of the stage that sees a filled list. */
export const WHEEL_STAGE = 'traceless-wheels'

/** Name of the stage that says which commits were installed. */
export const COMMITS_STAGE = 'traceless-commits'

/** Where the wheel stage puts what it made. */
const WHEELS = '/traceless-wheels'

/** Writes the Dockerfile. It names secrets and holds none. */
export function installDockerfile(recipe: InstallRecipe): WrittenRecipe {
  const venv = recipe.facts.externallyManaged
  if (recipe.mode === 'lifted') {
    const install = installStep(recipe, venv)
    const lines = imageStage(recipe, install)
    if (!recipe.hasRepositories) return written(lines, { steps: [install] })
    const commits = commitsStep(venv)
    return written([...lines, `FROM ${IMAGE_STAGE} AS ${COMMITS_STAGE}`, 'USER 0:0', commits.instruction], {
      steps: [install, commits],
      targets: [COMMITS_STAGE],
      commitsStage: COMMITS_STAGE,
      files: programFiles(['commits.py']),
    })
  }
  const wheels = wheelStep(recipe)
  const install = installWheelsStep(venv, { from: WHEEL_STAGE, folder: WHEELS })
  const lines = [...stageStart(recipe, WHEEL_STAGE), wheels.instruction, ...imageStage(recipe, install)]
  return written(lines, { steps: [wheels, install], targets: [WHEEL_STAGE] })
}

/** Of a stage that stands on the image and changes nothing of it. */
function commitsStep(venv: boolean): Step {
  const python = venv ? `${VENV}/bin/python` : 'python3'
  return run([bindPrograms()], {
    name: 'commits',
    words: 'list the commits',
    command: `${python} ${PROGRAMS_AT}/commits.py`,
  })
}

function installStep(recipe: InstallRecipe, venv: boolean): Step {
  const list = quoted(`${LISTS_AT}/${recipe.list}`)
  const install = recipe.installer === 'uv' ? uvInstall(venv, list) : pipInstall(venv, list)
  const command = `${environment(recipe)} ${install}`
  return run([bindLists(), ...secretMounts(recipe)], {
    name: 'install',
    words: `${recipe.installer === 'uv' ? 'uv pip' : 'pip'} install -r ${recipe.listName}`,
    command: venv ? `${makeVenv()} && ${command}` : command,
  })
}

const pipInstall = (venv: boolean, list: string): string =>
  `python3 -m pip ${venv ? `--python ${VENV}/bin/python ` : ''}install -r ${list}`

/**
 * What pip's settings say, in uv's words (https://docs.astral.sh/uv/reference/environment/): no cache that stays in the
 * layer, no prompt, the Python that is there. It reads `NETRC`, and fetches repositories by git, as pip does.
 */
const UV_SETTINGS = [
  'UV_NO_CACHE=1',
  'UV_NO_PROGRESS=1',
  'UV_KEYRING_PROVIDER=disabled',
  'UV_PYTHON_DOWNLOADS=never',
  'UV_LINK_MODE=copy',
].join(' ')

const uvInstall = (venv: boolean, list: string): string =>
  `${UV_SETTINGS} uv pip install --python ${venv ? `${VENV}/bin/python` : '"$(command -v python3)"'} -r ${list}`

function wheelStep(recipe: InstallRecipe): Step {
  const list = `${LISTS_AT}/${recipe.list}`
  return run([bindLists(), ...secretMounts(recipe)], {
    name: 'wheel',
    words: `pip wheel -r ${recipe.listName}`,
    command: `${environment(recipe)} python3 -m pip wheel -q -w ${WHEELS} -r ${quoted(list)}`,
  })
}

/**
 * Installs exactly the wheels of another stage, by name and version: by path, pip would write that path into each
 * package's `direct_url.json` (PEP 610).
 *
 * @param wheels - `folder` of the stage `from`; `flags` are further ones of the step.
 */
export function installWheelsStep(
  venv: boolean,
  wheels: { readonly from: string; readonly folder: string; readonly flags?: readonly string[] },
): Step {
  const python = venv ? `--python ${VENV}/bin/python ` : ''
  const names = `set --; for w in ${WHEELS_AT}/*.whl; do b=\${w##*/}; r=\${b#*-}; set -- "$@" "\${b%%-*}==\${r%%-*}"; done`
  const install = `${settings()} python3 -m pip ${python}install --no-index --no-deps --find-links ${WHEELS_AT} "$@"`
  const bind = `--mount=type=bind,from=${wheels.from},source=${wheels.folder},target=${WHEELS_AT}`
  return run([...(wheels.flags ?? []), bind], {
    name: 'install-wheels',
    words: 'pip install the wheels',
    command: `${venv ? `${makeVenv()} && ` : ''}${names}; ${install}`,
  })
}

/** `docker traceless` as a person has it: a real docker client, and the built program in its folder of plugins. */

import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engineHost, hasImage, imageName } from '../support/engine.js'
import { temporaryFolder, type Folder } from '../support/folder.js'
import { searchEverywhere } from '../support/search.js'
import { randomToken } from '../support/tokens.js'

const PLUGIN = resolve(import.meta.dirname, '../../dist/cli/docker-plugin.js')

let folder: Folder
beforeAll(async () => {
  folder = await temporaryFolder({ 'config/config.json': '{}' })
  await mkdir(folder.file('config/cli-plugins'))
  const program = folder.file('config/cli-plugins/docker-traceless')
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${PLUGIN}" "$@"\n`)
  await chmod(program, 0o755)
})
afterAll(() => folder[Symbol.asyncDispose]())

interface Ended {
  readonly status: number | undefined
  readonly text: string
}

/** Runs the docker client that the machine has. */
async function docker(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const { exitCode, all } = await execa('docker', args, {
    cwd: folder.path,
    env: { ...variables, DOCKER_CONFIG: folder.file('config'), TRACELESS_HOME: folder.file('home') },
    all: true,
    reject: false,
  })
  return { status: exitCode, text: all }
}

describe('the plugin of docker', () => {
  it('is listed by docker with what it is for', async () => {
    const { text } = await docker(['--help'])
    expect(text).toMatch(/^ {2}traceless\*? +Build images with secrets and ship them without/m)
  })

  it('builds and scans, and is refused what it does not know', async () => {
    await using image = imageName('plugin')
    const token = randomToken()
    await writeFile(
      folder.file('Dockerfile'),
      'FROM traceless-base:tiny\nRUN --mount=type=secret,id=token,required wc -c < /run/secrets/token > /length\n',
    )
    const secret = ['--secret', 'id=token,env=PLUGIN_TOKEN']
    const built = await docker(['traceless', 'build', '-t', image.name, ...secret, '.'], {
      PLUGIN_TOKEN: token,
    })
    expect(built).toMatchObject({ status: 0, text: expect.stringContaining('verdict: clean') as unknown })
    expect(await hasImage(image.name)).toBe(true)

    const scanned = await docker(['traceless', 'scan', image.name])
    expect(scanned.status).toBe(0)

    const unknown = await docker(['traceless', 'secrets', 'list'])
    expect(unknown.status).toBe(2)
    expect(
      await searchEverywhere([token], {
        texts: { built: built.text, scanned: scanned.text },
        images: [image.name],
      }),
    ).toEqual([])
  })

  it('takes the engine that docker was told of', async () => {
    const somewhere = `unix://${folder.file('nowhere.sock')}`
    const scan = ['traceless', 'scan', 'traceless-base:tiny']
    const there = await docker(['--host', engineHost(), ...scan], { DOCKER_HOST: somewhere })
    expect(there.status).toBe(0)
    const nowhere = await docker(['--host', somewhere, ...scan], { DOCKER_HOST: engineHost() })
    expect(nowhere.status).toBe(6)
  })
})

/**
 * The engine of the tests, spoken to directly: what a test finds out here it
 * does not find out through the code it tests.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import Docker from 'dockerode'

/** Images that `scripts/base-images.ts` makes. */
export type BaseImage =
  `traceless-base:${'bookworm' | 'nogit' | 'nopip' | 'user' | 'venv' | 'onbuild' | 'tiny' | 'ssh'}`

/** What `test/engine/setup.ts` found: `unix:///…` or `tcp://…`. */
export function engineHost(): string {
  const host = process.env['DOCKER_HOST']
  if (host === undefined) throw new Error('DOCKER_HOST is not set; run the tests with `make test`')
  return host
}

/** A connection of the test's own. */
export function openDocker(): Docker {
  engineHost()
  return new Docker()
}

/** An image name that nothing else uses; the image is removed with the scope. */
export interface ImageName extends AsyncDisposable {
  readonly name: string
}

/** Makes a name for an image that a test is going to build, or to be refused. */
export function imageName(kind: string): ImageName {
  const name = `traceless-test/${kind}:${randomBytes(6).toString('hex')}`
  return {
    name,
    [Symbol.asyncDispose]: () => removeImages(name),
  }
}

/** Removes those of the images that the engine holds. */
export async function removeImages(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    if (await hasImage(name)) await openDocker().getImage(name).remove({ force: true })
  }
}

/**
 * Whether the engine holds an image of that name. Asked for by name: an engine with the containerd store measures all images
 * to list one, and fails where another one goes away meanwhile.
 */
export async function hasImage(name: string): Promise<boolean> {
  try {
    await openDocker().getImage(name).inspect()
    return true
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return false
    throw error
  }
}

/** How a program in a container ended. */
export interface ContainerRun {
  readonly status: number
  /** Standard output and standard error, as they came. */
  readonly output: string
}

/**
 * Runs a shell command in an image, on the host's network, and removes the container.
 *
 * @param options - `keepAs` names an image that is made of what the command left.
 */
export async function runIn(
  image: string,
  shell: string,
  options: { keepAs?: string } = {},
): Promise<ContainerRun> {
  const container = await openDocker().createContainer({
    Image: image,
    Entrypoint: ['/bin/sh', '-c'],
    Cmd: [shell],
    // A terminal makes one plain stream of both outputs.
    Tty: true,
    HostConfig: { NetworkMode: 'host' },
  })
  try {
    await container.start()
    const { StatusCode: status } = (await container.wait()) as { StatusCode: number }
    const output = await container.logs({ stdout: true, stderr: true, follow: false })
    const [repo, tag] = options.keepAs?.split(':') ?? []
    if (repo !== undefined) await container.commit({ repo, tag })
    return { status, output: output.toString('utf8').replaceAll('\r\n', '\n') }
  } finally {
    await container.remove({ force: true })
  }
}

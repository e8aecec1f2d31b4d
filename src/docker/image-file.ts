/**
 * Reads one small file of an image, through a container that is made and never
 * started.
 *
 * @packageDocumentation
 */

import type Docker from 'dockerode'
import { extract } from 'tar-stream'
import { call, statusOf } from './unreachable.js'
import type { Digest } from './engine.js'

/**
 * The bytes of a file, `null` where there is none, where it is no plain file, or where it is larger than `limitBytes`.
 *
 * @throws {@link Fault} `ENGINE_UNREACHABLE`.
 */
export async function imageFile(
  docker: Docker,
  image: Digest,
  { path, limitBytes }: { readonly path: string; readonly limitBytes: number },
): Promise<Uint8Array | null> {
  const container = await call(() =>
    docker.createContainer({
      Image: image,
      Entrypoint: ['/traceless-never-started'],
      Labels: { 'traceless.reader': 'true' },
      NetworkDisabled: true,
      HostConfig: { NetworkMode: 'none' },
    }),
  )
  try {
    return await firstFile(await call(() => container.getArchive({ path })), limitBytes)
  } catch (error) {
    if (statusOf(error) === 404) return null
    throw error
  } finally {
    await call(() => container.remove({ force: true, v: true }))
  }
}

async function firstFile(archive: NodeJS.ReadableStream, limitBytes: number): Promise<Uint8Array | null> {
  for await (const entry of archive.pipe(extract())) {
    const { type, size } = entry.header
    if (type !== 'file' || size > limitBytes) return null
    const chunks: Uint8Array[] = []
    for await (const chunk of entry) chunks.push(chunk as Uint8Array)
    return Buffer.concat(chunks)
  }
  return null
}

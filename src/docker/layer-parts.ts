/**
 * Reads single layers of images from an engine that keeps each one as a folder
 * (overlay2), without having it pack all of them into an archive: a container
 * that is made and never started gets the folders as read-only mounts, and the
 * engine packs them in one answer, because each answer begins with a fifth of a
 * second in which it starts a program. It works with a remote engine too.
 *
 * The folder is what the engine itself packs when it exports the layer, so
 * nothing of the layer is missing; only the tar's own bytes differ, and
 * whiteouts are devices instead of names. Documents are what the engine says of
 * the image, because it gives the configuration's bytes only in an archive.
 *
 * @packageDocumentation
 */

import type Docker from 'dockerode'
import { once } from '../bytes/once.js'
import { cutLayers } from './layer-cut.js'
import type { Digest, ImageLayout, ImagePart, ImageParts } from './engine.js'
import { call, statusOf } from './unreachable.js'

/** Where the folders stand in the container. */
const AT = '/traceless-layers'

/** Layers in one container: a mount each, and an engine's request has a limit. */
const MAX_LAYERS = 100

/** Name of a layer's folder there. */
const folderAt = (index: number): string => String(index).padStart(3, '0')

interface Layered {
  readonly image: Digest
  /** Digests and folders, lowest first. */
  readonly layers: readonly { readonly digest: Digest; readonly folder: string }[]
  readonly createdBy: readonly string[]
  /** What the engine says of the image, as text. */
  readonly documents: readonly (readonly [id: string, text: string])[]
}

/**
 * Parts of images without the layers in `skip`. Read them to the end, or leave the loop: either takes the container away.
 *
 * @returns `null` where this engine does not keep layers as folders, or does not let them be mounted; the images have to
 * be read as an archive then.
 */
export async function layerParts(
  docker: Docker,
  images: readonly Digest[],
  { skip, signal }: { readonly skip: ReadonlySet<string>; readonly signal: AbortSignal },
): Promise<ImageParts | null> {
  const layered: Layered[] = []
  for (const image of images) {
    const found = await layersOf(docker, image)
    if (found === null) return null
    layered.push(found)
  }
  const folders = new Map(
    layered.flatMap(({ layers }) =>
      layers.filter(({ digest }) => !skip.has(digest)).map(({ digest, folder }) => [digest, folder]),
    ),
  )
  if (folders.size > MAX_LAYERS) return null
  const roots = new Map([...folders.keys()].map((digest, index) => [digest, folderAt(index)]))
  const container = folders.size === 0 ? null : await mountFolders(docker, images[0], [...folders.values()])
  if (folders.size > 0 && container === null) return null
  return {
    hashed: false,
    [Symbol.asyncIterator]: () => readParts(layered, { roots, container, signal }),
    layouts: () => layered.map((image) => layoutOf(image, roots)),
  }
}

async function* readParts(
  layered: readonly Layered[],
  {
    roots,
    container,
    signal,
  }: { roots: ReadonlyMap<Digest, string>; container: Docker.Container | null; signal: AbortSignal },
): AsyncGenerator<ImagePart> {
  for (const { documents } of layered) {
    for (const [id, text] of documents) {
      const bytes = Buffer.from(text, 'utf8')
      yield { id, kind: 'document', sizeBytes: bytes.length, bytes: once(bytes) }
    }
  }
  if (container === null) return
  try {
    const packed = async (path: string): Promise<AsyncIterable<Uint8Array>> =>
      (await call(
        () => container.getArchive({ path, abortSignal: signal }),
        signal,
      )) as unknown as AsyncIterable<Uint8Array>
    const crossed = new Set<string>()
    const digestOf = new Map([...roots].map(([digest, folder]) => [folder, digest]))
    for await (const { folder, bytes } of cutLayers(await packed(`${AT}/.`), crossed)) {
      const id = digestOf.get(folder)
      if (id !== undefined) yield { id, kind: 'layer', sizeBytes: undefined, bytes }
    }
    // What two layers share by a hard link was packed for one of them only.
    for (const folder of crossed) {
      const id = digestOf.get(folder)
      if (id === undefined) continue
      yield { id, kind: 'layer', sizeBytes: undefined, bytes: await packed(`${AT}/${folder}`) }
    }
  } finally {
    await container.remove({ force: true, v: true })
  }
}

function layoutOf(
  { image, layers, createdBy, documents }: Layered,
  roots: ReadonlyMap<Digest, string>,
): ImageLayout {
  return {
    image,
    layers: layers.map(({ digest }, index) => {
      const root = roots.get(digest)
      const layer = { digest, createdBy: createdBy[index] ?? '' }
      return root === undefined ? { ...layer, part: null } : { ...layer, part: digest, root }
    }),
    documents: documents.map(([id]) => id),
    unread: [],
  }
}

async function layersOf(docker: Docker, image: Digest): Promise<Layered | null> {
  const handle = docker.getImage(image)
  const facts = await call(() => handle.inspect())
  const history = (await call(() => handle.history())) as { CreatedBy: string; Size: number }[]
  const graph = facts.GraphDriver as { Name?: string; Data?: Record<string, string> | null } | undefined
  const digests = (facts.RootFS.Layers ?? []) as Digest[]
  if (graph?.Name !== 'overlay2') return null
  const folders = foldersOf(graph.Data ?? {}, digests.length)
  if (folders === null) return null
  const steps = [...history].reverse().map(({ CreatedBy }) => CreatedBy)
  return {
    image,
    layers: digests.map((digest, index) => ({ digest, folder: folders[index] ?? '' })),
    createdBy: layerSteps(steps, digests.length),
    documents: [
      [`${image}/inspect`, JSON.stringify(facts)],
      [`${image}/history`, JSON.stringify(history)],
    ],
  }
}

/** Folders lowest first; `null` where their number is not that of the layers. */
function foldersOf(data: Readonly<Record<string, string>>, count: number): readonly string[] | null {
  const upper = data['UpperDir']
  if (upper === undefined) return null
  const lower = data['LowerDir'] === undefined || data['LowerDir'] === '' ? [] : data['LowerDir'].split(':')
  const folders = [upper, ...lower].reverse()
  return folders.length === count && folders.every((folder) => folder.startsWith('/')) ? folders : null
}

/**
 * Which steps made a layer. The engine's history does not say; those that cannot have made one are left out, and where
 * the numbers still differ the last ones are taken.
 */
function layerSteps(steps: readonly string[], count: number): readonly string[] {
  const making = steps.filter(
    (step) =>
      !/^(?:\/bin\/sh -c #\(nop\) +)?(?:ENV|LABEL|CMD|ENTRYPOINT|USER|EXPOSE|VOLUME|STOPSIGNAL|SHELL|ARG|HEALTHCHECK|ONBUILD|MAINTAINER)\b/.test(
        step,
      ),
  )
  return making.length >= count
    ? making.slice(making.length - count)
    : [...Array<string>(count - making.length).fill(''), ...making]
}

async function mountFolders(
  docker: Docker,
  image: Digest | undefined,
  folders: readonly string[],
): Promise<Docker.Container | null> {
  try {
    return await call(() =>
      docker.createContainer({
        ...(image === undefined ? {} : { Image: image }),
        // Never run: the container is a place to hang folders.
        Entrypoint: ['/traceless-never-started'],
        Labels: { 'traceless.reader': 'true' },
        NetworkDisabled: true,
        HostConfig: {
          Binds: folders.map((folder, index) => `${folder}:${AT}/${folderAt(index)}:ro`),
          NetworkMode: 'none',
        },
      }),
    )
  } catch (error) {
    // An engine that forbids such mounts answers; one that is gone is a fault of its own.
    if (statusOf(error) !== undefined) return null
    throw error
  }
}

/**
 * The {@link Engine} that is a Docker daemon.
 *
 * @packageDocumentation
 */

import { archiveParts } from './archive-parts.js'
import { connect } from './connect.js'
import { engineContainers } from './container.js'
import type { Engine } from './engine.js'
import { engineAddress, type Variables } from './find-engine.js'
import { imageFile } from './image-file.js'
import { inspectImage, pullImage, removeUntagged, saveImages, tagImage } from './images.js'
import { layerParts } from './layer-parts.js'
import { archiveOf } from './oci-archive.js'
import { pushImage } from './push.js'
import { cacheRecords, dropRecords, pruneRecords } from './records.js'
import { openSession, secretsOnly } from './session.js'
import { spool } from './spool.js'
import { solve } from './solve.js'
import { doorFor, engineTransport, type Door } from './transport.js'
import { answers, watchEngine } from './watch.js'

/** Where the exporter tells what the engine calls an image. The first that is there counts: 20.10 has the last one only. */
const ID_KEYS = {
  config: ['containerimage.config.digest', 'containerimage.digest'],
  manifest: ['containerimage.digest'],
}

/** How an engine is found and asked. */
export interface EngineOptions {
  /** Where `DOCKER_HOST`, `DOCKER_CONTEXT` and the rest stand. Default: nowhere. */
  readonly variables?: Variables
  /** The door to its BuildKit. Default: the one for its API version. */
  readonly door?: Door
  /** How long it may be silent before it counts as gone, in milliseconds. Default: a minute. */
  readonly silentMs?: number
}

/**
 * Connects to a Docker engine.
 *
 * @param host - as in `DOCKER_HOST`; default: what `variables` say, else the local socket.
 * @throws {@link Fault} `ENGINE_UNREACHABLE`, `ENGINE_UNSUPPORTED`, `REQUEST_INVALID`.
 */
export async function openEngine(
  host?: string,
  { variables = {}, door, silentMs }: EngineOptions = {},
): Promise<Engine> {
  const address = await engineAddress(host, variables)
  const connection = await connect(address)
  const { docker, info, hasBridge, idsAre } = connection
  const transport = engineTransport(docker, address, door ?? doorFor(info.apiVersion))
  return {
    info,
    keepsImages: true,
    containers: engineContainers(docker, hasBridge),
    watch: (signal) => watchEngine(transport, signal, silentMs),
    answers: (withinMs) => answers(transport, withinMs),
    inspect: (reference) => inspectImage(docker, reference),
    pull: (reference, options) => pullImage(docker, reference, options),
    build: (input, signal) =>
      // Without a bridge the engine's default network does not exist, and the host's is the only one it has.
      solve(
        transport,
        { ...input, network: input.network === 'default' && !hasBridge ? 'host' : input.network },
        { exporter: 'moby', idKeys: ID_KEYS[idsAre], signal },
      ),
    async parts(images, { skip = new Set(), apart = false, signal }) {
      // Packing everything is the engine's slowest answer, and worth avoiding only where something can be left out.
      const isPartial = skip.size > 0 || apart
      const layers = isPartial ? await layerParts(docker, images, { skip, signal }) : null
      return (
        layers ??
        archiveParts(await saveImages(docker, images, signal), {
          idsAre,
        })
      )
    },
    readFile: (image, file) => imageFile(docker, image, file),
    serveSecrets: (mounts) => openSession(transport, secretsOnly(mounts)),
    tag: (image, reference) => tagImage(docker, image, reference),
    push: (image, reference, options) => pushImage(docker, image, reference, { ...options, idsAre }),
    async archive(image, { references, signal }) {
      const saved = await spool(await saveImages(docker, [image], signal))
      return archiveOf(saved, image, references)
    },
    removeUntagged: (image) => removeUntagged(docker, image),
    dropRecords: (which, signal) => dropRecords(transport, which, signal),
    pruneRecords: (ids, signal) => pruneRecords(transport, ids, signal),
    records: (signal) => cacheRecords(transport, signal),
    close: () => connection[Symbol.dispose](),
  }
}

/**
 * The {@link Engine} that is a Docker daemon.
 *
 * @packageDocumentation
 */

import { archiveParts } from './archive-parts.js'
import { connect } from './connect.js'
import { engineContainers } from './container.js'
import type { Engine } from './engine.js'
import { imageFile } from './image-file.js'
import { inspectImage, pullImage, removeUntagged, saveImages, tagImage } from './images.js'
import { layerParts } from './layer-parts.js'
import { archiveOf } from './oci-archive.js'
import { pushImage } from './push.js'
import { dropRecords, recordDescriptions } from './records.js'
import { openSession, secretsOnly } from './session.js'
import { spool } from './spool.js'
import { solve } from './solve.js'
import { hijackTransport } from './transport.js'
import { answers, watchEngine } from './watch.js'

/** How an engine is asked. */
export interface EngineOptions {
  /** How long it may be silent before it counts as gone, in milliseconds. Default: a minute. */
  readonly silentMs?: number
}

/**
 * Connects to a Docker engine.
 *
 * @param host - as in `DOCKER_HOST`; default: the local socket.
 * @throws {@link Fault} `ENGINE_UNREACHABLE`, `ENGINE_UNSUPPORTED`, `REQUEST_INVALID`.
 */
export async function openEngine(host?: string, { silentMs }: EngineOptions = {}): Promise<Engine> {
  const { docker, info, hasBridge } = await connect(host)
  const transport = hijackTransport(docker)
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
        signal,
      ),
    async parts(images, { skip = new Set(), signal }) {
      // Packing everything is the engine's slowest answer, and worth avoiding only where something can be left out.
      const layers = skip.size === 0 ? null : await layerParts(docker, images, { skip, signal })
      return layers ?? archiveParts(await saveImages(docker, images, signal))
    },
    readFile: (image, file) => imageFile(docker, image, file),
    serveSecrets: (mounts) => openSession(transport, secretsOnly(mounts)),
    tag: (image, reference) => tagImage(docker, image, reference),
    push: (image, reference, options) => pushImage(docker, image, reference, options),
    async archive(image, { references, signal }) {
      const saved = await spool(await saveImages(docker, [image], signal))
      return archiveOf(saved, image, references)
    },
    removeUntagged: (image) => removeUntagged(docker, image),
    dropRecords: (which, signal) => dropRecords(transport, which, signal),
    recordDescriptions: (signal) => recordDescriptions(transport, signal),
    close: () => undefined,
  }
}

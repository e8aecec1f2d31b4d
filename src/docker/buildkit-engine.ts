/**
 * The {@link Engine} that is BuildKit alone: a `buildkitd` somewhere, which
 * builds and keeps no images. What it builds comes to us as an OCI archive, is
 * kept until nobody needs it, and leaves from here: for a registry, or as the
 * archive it is.
 *
 * @packageDocumentation
 */

import semver from 'semver'
import { Fault } from '../errors.js'
import { archiveParts } from './archive-parts.js'
import { openControl } from './control.js'
import type { Digest, Engine, EngineInfo, ImageParts } from './engine.js'
import { builderAddress } from './find-engine.js'
import { GATES, gateText, passes } from './gates.js'
import { imageContent } from './image-content.js'
import { ociArchive } from './oci-archive.js'
import { cacheRecords, dropRecords, pruneRecords } from './records.js'
import { shortReference } from './reference.js'
import { pushContent } from './registry.js'
import { remoteImage, type RemoteImage } from './remote-image.js'
import { openSession, secretsOnly } from './session.js'
import { solve } from './solve.js'
import { spool, type Spool } from './spool.js'
import { http2Transport, type BuildKitTransport } from './transport.js'
import { unreachable } from './unreachable.js'
import { answers, watchEngine } from './watch.js'

/** Header by which an exporter tells the image that it sends: https://github.com/moby/buildkit/blob/master/session/filesync/filesync.go */
const DIGEST_HEADER = 'exporter-md-containerimage.digest'

/** What a build of BuildKit says that does not know its own version. */
const NO_VERSION = '0.0.0'

/**
 * Connects to a BuildKit daemon.
 *
 * @param place - `address` as in `BUILDKIT_HOST`; `tlsFolder` holds `ca.pem`, `cert.pem` and `key.pem`, empty text for none.
 * @throws {@link Fault} `ENGINE_UNREACHABLE`, `ENGINE_UNSUPPORTED`, `REQUEST_INVALID`.
 */
export async function openBuilder(place: {
  readonly address: string
  readonly tlsFolder: string
}): Promise<Engine> {
  const transport = http2Transport(await builderAddress(place.address, place.tlsFolder))
  const info = await infoOf(transport)
  if (!passes('build', info) && info.version !== NO_VERSION) {
    throw new Fault('ENGINE_UNSUPPORTED', gateText('build', info), {
      hint: `Use a builder from BuildKit ${GATES.build.buildkit} on.`,
    })
  }
  const bases = new Map<string, RemoteImage>()
  const images = new Map<Digest, Spool>()
  const drop = async (image: Digest): Promise<void> => {
    const kept = images.get(image)
    images.delete(image)
    await kept?.[Symbol.asyncDispose]()
  }
  const kept = (image: Digest): Spool => images.get(image) ?? gone()
  return {
    info,
    keepsImages: false,
    containers: { create: () => Promise.reject(unsupported('runs no containers')) },
    watch: (signal) => watchEngine(transport, signal),
    answers: (withinMs) => answers(transport, withinMs),
    inspect: async (reference) => Promise.resolve(bases.get(reference)?.facts ?? null),
    async pull(reference, options) {
      bases.set(reference, await remoteImage(reference, { ...options, info }))
    },
    build: (input, signal) =>
      solve(
        transport,
        { ...input, namedContexts: pinned(input.namedContexts, bases) },
        {
          exporter: 'oci',
          idKeys: ['containerimage.digest'],
          async onFile(bytes, facts) {
            const archive = await spool(bytes)
            const image = facts.get(DIGEST_HEADER) as Digest | null
            // Two stages may be one image, and what nobody can ask for is not kept.
            if (image === null || images.has(image)) await archive[Symbol.asyncDispose]()
            else images.set(image, archive)
          },
          signal,
        },
      ),
    parts: async (wanted) => Promise.resolve(joined(wanted.map((image) => archiveOf(kept(image))))),
    serveSecrets: (mounts) => openSession(transport, secretsOnly(mounts)),
    tag: () => Promise.reject(unsupported('keeps no images')),
    // What is read so is told beside the verdict and is no part of it.
    readFile: () => Promise.resolve(null),
    push: async (image, reference, options) =>
      pushContent(await imageContent(kept(image), image), reference, options),
    archive: async (image, { references }) => ociArchive(await imageContent(kept(image), image), references),
    removeUntagged: drop,
    dropRecords: (which, signal) => dropRecords(transport, which, signal),
    pruneRecords: (ids, signal) => pruneRecords(transport, ids, signal),
    records: (signal) => cacheRecords(transport, signal),
    close() {
      for (const image of images.keys()) void drop(image)
    },
  }
}

const unsupported = (what: string): Fault =>
  new Fault('ENGINE_UNSUPPORTED', `A BuildKit daemon ${what}.`, { hint: 'Use a Docker engine for that.' })

const gone = (): never => {
  throw new TypeError('an image was asked for that the builder did not make')
}

async function infoOf(transport: BuildKitTransport): Promise<EngineInfo> {
  using control = await openControl(transport)
  try {
    const { record } = await control.client.listWorkers({})
    const worker = record[0]
    const platform = worker?.platforms[0]
    return {
      product: 'buildkit',
      version: semver.coerce(worker?.buildkitVersion?.version)?.version ?? NO_VERSION,
      id: worker?.id ?? '',
      apiVersion: '',
      os: platform?.os ?? 'linux',
      architecture: platform?.architecture ?? 'amd64',
      storage: worker?.labels['org.mobyproject.buildkit.worker.snapshotter'] ?? '',
    }
  } catch (error) {
    throw unreachable(error)
  }
}

/** Base images by the digests that were looked at: the builder asks the registry again, and the name may have moved. */
function pinned(
  named: ReadonlyMap<string, string> | undefined,
  bases: ReadonlyMap<string, RemoteImage>,
): ReadonlyMap<string, string> {
  const contexts = new Map<string, string>()
  for (const [reference, { pinned }] of bases)
    contexts.set(shortReference(reference), `docker-image://${pinned}`)
  for (const [name, value] of named ?? []) {
    const base = bases.get(value.replace('docker-image://', ''))
    contexts.set(name, base === undefined ? value : `docker-image://${base.pinned}`)
  }
  return contexts
}

const archiveOf = (archive: Spool): ImageParts => archiveParts(archive.bytes(), { idsAre: 'manifest' })

/** Several archives as one; what stands in two of them under its digest is given once. */
function joined(archives: readonly ImageParts[]): ImageParts {
  return {
    hashed: true,
    async *[Symbol.asyncIterator]() {
      const given = new Set<string>()
      for (const archive of archives) {
        for await (const part of archive) {
          if (given.has(part.id)) {
            for await (const _ of part.bytes) continue
            continue
          }
          if (part.id.startsWith('blobs/')) given.add(part.id)
          yield part
        }
      }
    },
    layouts: () => archives.flatMap((archive) => archive.layouts()),
  }
}

/**
 * The leak check alone, on an image of an engine, an archive or a folder: what
 * a build does at its end, without a build.
 *
 * @packageDocumentation
 */

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { archiveParts } from '../docker/archive-parts.js'
import { contextTar } from '../docker/context.js'
import type { Engine, ImageParts } from '../docker/engine.js'
import { Fault } from '../errors.js'
import type { NeedleSet } from '../leak/needles.js'
import { prove } from './prove.js'
import type { AllowRule, Report } from './report.js'

/** What can be scanned. */
export type ScanSubject =
  /** An image of the engine, by name or digest. */
  | { readonly kind: 'image'; readonly reference: string; readonly engine: () => Promise<Engine> }
  /** `docker save` output, an OCI layout in a tar, or any tar; packed with gzip or not. Or an OCI layout in a folder. */
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'stream'; readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }

/** What is searched for. Nothing here is wiped: it belongs to the caller. */
export interface ScanRequest {
  /** What `needlesFor` makes of the values. */
  readonly needles: NeedleSet
  /** Names that are not searched for by choice. */
  readonly unguarded?: readonly string[]
  /** Names whose values may be too short to search for. */
  readonly allowUnguarded?: readonly string[]
  /** Findings that are accepted. */
  readonly allow?: readonly AllowRule[]
  readonly signal?: AbortSignal
  /** Told of the bytes read so far, and of how many there are where that is known. */
  readonly onProgress?: (bytes: number, of?: number) => void
}

/** Size of the pieces in which a file is read, in bytes: small ones cost several times as much. */
const READ_BYTES = 1 << 20

/**
 * Scans an image.
 *
 * @returns the report; whether it refuses anything is the caller's to judge.
 * @throws {@link Fault} `REQUEST_INVALID` for something that is not there.
 */
export async function scanImage(subject: ScanSubject, request: ScanRequest): Promise<Report> {
  const { needles, unguarded = [], allowUnguarded = [], onProgress } = request
  const signal = request.signal ?? new AbortController().signal
  const { image, parts, expected, isCounted } = await open(subject, { signal, onProgress })
  return prove({
    image,
    parts,
    expected,
    baseLayers: new Set(),
    needles,
    unguarded,
    mustGuard: new Set(needles.names.filter((name) => !allowUnguarded.includes(name))),
    allow: request.allow ?? [],
    doubts: [],
    strict: true,
    signal,
    ...(onProgress === undefined || isCounted ? {} : { onProgress }),
  })
}

/** Searches an image of an engine. What a host pipeline calls after a build of its own. */
export const proveImage = (engine: Engine, reference: string, request: ScanRequest): Promise<Report> =>
  scanImage({ kind: 'image', reference, engine: () => Promise.resolve(engine) }, request)

interface Opened {
  readonly image: string
  readonly parts: ImageParts
  readonly expected: Parameters<typeof prove>[0]['expected']
  /** Whether progress is told of the bytes as they come in; otherwise it has to be told of the parts. */
  readonly isCounted: boolean
}

async function open(
  subject: ScanSubject,
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: ScanRequest['onProgress'] },
): Promise<Opened> {
  const counted = (image: string, bytes: AsyncIterable<Uint8Array>, of?: number): Opened => ({
    image,
    parts: archiveParts(told(bytes, (count) => onProgress?.(count, of))),
    expected: new Map(),
    isCounted: true,
  })
  switch (subject.kind) {
    case 'image': {
      const engine = await subject.engine()
      const facts = await engine.inspect(subject.reference, signal)
      if (facts === null)
        throw new Fault('REQUEST_INVALID', 'There is no such file, and the engine holds no such image.')
      const parts = await engine.parts([facts.id], { signal })
      return { image: subject.reference, parts, expected: new Map([[facts.id, null]]), isCounted: false }
    }
    case 'path': {
      const stats = await stat(subject.path)
      if (stats.isDirectory()) return counted(subject.path, contextTar({ root: subject.path })())
      const file = createReadStream(subject.path, { highWaterMark: READ_BYTES, signal })
      return counted(subject.path, file as AsyncIterable<Uint8Array>, stats.size)
    }
    case 'stream':
      return counted(subject.name, subject.bytes)
  }
}

/** The same bytes, telling how many there were so far. */
async function* told(
  source: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.length
    onBytes(bytes)
    yield chunk
  }
}

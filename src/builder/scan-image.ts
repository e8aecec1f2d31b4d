/**
 * The leak check alone, on an image of an engine, an archive or a folder: what
 * a build does at its end, without a build.
 *
 * @packageDocumentation
 */

import { stat } from 'node:fs/promises'
import { fileChunks } from '../bytes/file-chunks.js'
import { once } from '../bytes/once.js'
import { claimsOfFile, claimsOfFolder, type LayerClaims } from '../docker/archive-outline.js'
import { archiveParts } from '../docker/archive-parts.js'
import { contextTar } from '../docker/context.js'
import type { Engine, ImageParts } from '../docker/engine.js'
import { Fault } from '../errors.js'
import { unpackWhole, wholeKindOf } from '../leak/archive/whole.js'
import { Matcher } from '../leak/match.js'
import type { NeedleSet } from '../leak/needles.js'
import { knownArchive } from './known-archive.js'
import { engineParts, type KeptVerdicts, type KnownLayers } from './known-layers.js'
import { prove } from './prove.js'
import type { AllowRule, Report } from './report.js'

/** What can be scanned. */
export type ScanSubject =
  /** An image of the engine, by name or digest. */
  | { readonly kind: 'image'; readonly reference: string; readonly engine: () => Promise<Engine> }
  /** `docker save` output, an OCI layout in a tar, or any tar; packed with gzip, zstd, xz, bzip2 or not. Or an OCI layout in a folder. */
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
  /** Verdicts on layers, so that one is searched once for each value. Default: every layer is searched for all values. */
  readonly verdicts?: KeptVerdicts
  readonly signal?: AbortSignal
  /** Told of the bytes read so far, and of how many there are where that is known. */
  readonly onProgress?: (bytes: number, of?: number) => void
}

/**
 * Scans an image.
 *
 * @returns the report; whether it refuses anything is the caller's to judge.
 * @throws {@link Fault} `REQUEST_INVALID` for something that is not there.
 */
export async function scanImage(subject: ScanSubject, request: ScanRequest): Promise<Report> {
  const { needles, unguarded = [], allowUnguarded = [], onProgress } = request
  const signal = request.signal ?? new AbortController().signal
  const { isCounted, ...opened } = await open(subject, { ...request, signal })
  return prove({
    ...opened,
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
  readonly known?: KnownLayers
  readonly expected: Parameters<typeof prove>[0]['expected']
  /** Whether progress is told of the bytes as they come in; otherwise it has to be told of the parts. */
  readonly isCounted: boolean
}

type OpenRequest = Pick<ScanRequest, 'needles' | 'verdicts' | 'onProgress'> & { readonly signal: AbortSignal }

async function open(subject: ScanSubject, request: OpenRequest): Promise<Opened> {
  const { needles, signal } = request
  switch (subject.kind) {
    case 'image': {
      const engine = await subject.engine()
      const facts = await engine.inspect(subject.reference, signal)
      if (facts === null)
        throw new Fault('REQUEST_INVALID', 'There is no such file, and the engine holds no such image.')
      const image = { image: subject.reference, expected: new Map([[facts.id, null]]), isCounted: false }
      const kept = keptVerdicts(request)
      return kept === undefined
        ? { ...image, parts: await engine.parts([facts.id], { signal }) }
        : { ...image, ...(await engineParts(engine, [facts.id], { kept, needles, signal })) }
    }
    case 'path': {
      const { path } = subject
      const stats = await stat(path)
      if (stats.isDirectory()) {
        const claims = (): Promise<LayerClaims> => claimsOfFolder(path)
        return await openArchive({ name: path, bytes: contextTar({ root: path })(), claims }, request)
      }
      const claims = (): Promise<LayerClaims> => claimsOfFile(path)
      return await openArchive(
        { name: path, bytes: fileChunks(path, { signal }), of: stats.size, claims },
        request,
      )
    }
    case 'stream':
      return await openArchive({ ...subject, claims: () => Promise.resolve(new Map()) }, request)
  }
}

/** An archive that is not read yet. */
interface Archive {
  readonly name: string
  readonly bytes: AsyncIterable<Uint8Array>
  /** Number of the bytes, where it is known. */
  readonly of?: number
  readonly claims: () => Promise<LayerClaims>
}

async function openArchive({ name, bytes, of, claims }: Archive, request: OpenRequest): Promise<Opened> {
  const { needles, onProgress } = request
  const parts = unpackedParts(
    told(bytes, (count) => onProgress?.(count, of)),
    needles,
  )
  const opened = { image: name, expected: new Map(), isCounted: true }
  const kept = keptVerdicts(request)
  if (kept === undefined) return { ...opened, parts }
  return { ...opened, ...knownArchive(parts, { kept, needles, claims: await claims() }) }
}

/** Id of the part that holds what stands in the packed bytes themselves: names and comments in their headers, frames to be skipped. */
const PACKED_BYTES = 'bytes of the packed archive'

/** The parts of an archive that may be packed as a whole, and what was found in its packed bytes. */
function unpackedParts(bytes: AsyncIterable<Uint8Array>, needles: NeedleSet): ImageParts {
  let inXz = false
  const found = new Set<number>()
  const parts = archiveParts(bytes, {
    unpacker(head) {
      const kind = wholeKindOf(head)
      inXz = kind === 'xz'
      return kind && ((packed, unread) => unpackWhole(kind, searched(packed, needles, found), unread))
    },
  })
  return {
    get hashed() {
      return parts.hashed
    },
    async *[Symbol.asyncIterator]() {
      for await (const part of parts) yield { ...part, inXz }
      if (found.size === 0) return
      const values = Buffer.concat(
        [...found].flatMap((needle) => [needles.needles[needle]?.bytes ?? LINE_END, LINE_END]),
      )
      // As a text that has a way to it, and as it stands, because not every value is a text.
      const text = Buffer.concat([
        Buffer.from(JSON.stringify({ [PACKED_BYTES]: values.toString() })),
        LINE_END,
        values,
      ])
      yield { id: PACKED_BYTES, kind: 'document', sizeBytes: text.length, bytes: once(text) }
    },
    layouts: () => parts.layouts(),
  }
}

const LINE_END = Uint8Array.of(0x0a)

/** The same bytes, adding to `found` the needles that stand in them. */
async function* searched(
  source: AsyncIterable<Uint8Array>,
  needles: NeedleSet,
  found: Set<number>,
): AsyncGenerator<Uint8Array> {
  const matcher = new Matcher(needles)
  for await (const chunk of source) {
    for (const { needle } of matcher.push(chunk)) found.add(needle)
    yield chunk
  }
  for (const { needle } of matcher.end()) found.add(needle)
}

/** Where nothing is searched for, nothing is proven either. */
const keptVerdicts = ({ needles, verdicts }: OpenRequest): KeptVerdicts | undefined =>
  needles.needles.length === 0 ? undefined : verdicts

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

/**
 * A build context that comes from somebody else, as a plain tar: checked while
 * it arrives, and unpacked where a build can read it.
 *
 * Nothing in it may lead out of its folder. A link may point anywhere, as in
 * any context, because the engine follows it inside the build only; but no
 * entry may stand behind one, and links are made after everything else.
 *
 * @packageDocumentation
 */

import { createWriteStream } from 'node:fs'
import { chmod, link, mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'
import { Fault } from '../errors.js'

/** Bounds of a context. */
export interface ContextLimits {
  /** Bytes of the archive, and of all files in it together. */
  readonly bytes: number
  readonly entries: number
}

/** 1 GiB, and as many entries as a large checkout with its modules has. */
export const CONTEXT_LIMITS: ContextLimits = { bytes: 1 << 30, entries: 200_000 }

/** Longest path, in bytes: `PATH_MAX` of Linux, limits.h. */
const MAX_PATH_BYTES = 4096

type Kind = 'file' | 'directory' | 'symlink' | 'link'

interface Entry {
  /** Without slashes at its ends and without `.` parts. Empty for the folder itself. */
  readonly path: string
  readonly kind: Kind
  /** What a link points to: as written for a symbolic one, a path of the archive for a hard one. */
  readonly target: string
  readonly mode: number
}

/**
 * Passes an archive on and checks it on its way.
 *
 * @throws {@link Fault} `REQUEST_INVALID` for an archive that is no plain tar, is too large, or leads out of its folder. The
 * fault may come after the bytes that it is about.
 */
export function checkedContext(
  archive: AsyncIterable<Uint8Array>,
  limits = CONTEXT_LIMITS,
): AsyncGenerator<Uint8Array> {
  return through(archive, limits, (_entry, bytes) => drain(bytes))
}

/**
 * Unpacks an archive into an empty folder that is the caller's own.
 *
 * @throws {@link Fault} as {@link checkedContext}. What was written until then stays.
 */
export async function unpackContext(
  archive: AsyncIterable<Uint8Array>,
  folder: string,
  limits = CONTEXT_LIMITS,
): Promise<void> {
  const links: Entry[] = []
  const passed = through(archive, limits, async (entry, bytes) => {
    const path = join(folder, entry.path)
    switch (entry.kind) {
      case 'directory':
        await mkdir(path, { recursive: true })
        break
      case 'file':
        await mkdir(dirname(path), { recursive: true })
        await pipeline(bytes, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
        await chmod(path, entry.mode | 0o400)
        return
      case 'symlink':
      case 'link':
        links.push(entry)
        break
    }
    await drain(bytes)
  })
  await drain(passed)
  for (const { path, kind, target } of links.toSorted((a, b) => (a.kind < b.kind ? -1 : 1))) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    if (kind === 'link') await link(join(folder, target), join(folder, path))
    else await symlink(target, join(folder, path))
  }
}

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _chunk of bytes);
}

/** Passes an archive on and has each of its entries taken on the way. */
async function* through(
  archive: AsyncIterable<Uint8Array>,
  limits: ContextLimits,
  take: Take,
): AsyncGenerator<Uint8Array> {
  const reader = extract()
  const taken = takeEntries(reader, limits, take)
  // Looked at below; unheard until then.
  taken.catch(() => undefined)
  let size = 0
  try {
    for await (const chunk of archive) {
      size += chunk.length
      if (size > limits.bytes + overhead(limits)) throw tooLarge(limits)
      if (!reader.write(Buffer.from(chunk))) await Promise.race([drained(reader), taken])
      yield chunk
    }
    reader.end(undefined)
    await taken
  } finally {
    reader.destroy()
  }
}

type Take = (entry: Entry, bytes: AsyncIterable<Uint8Array>) => Promise<void>

async function takeEntries(
  reader: ReturnType<typeof extract>,
  limits: ContextLimits,
  take: Take,
): Promise<void> {
  const kinds = new Map<string, Kind>()
  let bytes = 0
  try {
    for await (const file of reader) {
      bytes += file.header.size
      if (bytes > limits.bytes) throw tooLarge(limits)
      if (kinds.size >= limits.entries) {
        throw invalid(`The context has more than ${String(limits.entries)} entries.`)
      }
      const entry = checkedEntry(file.header)
      requireRoom(entry, kinds)
      await take(entry, file as AsyncIterable<Uint8Array>)
    }
  } catch (error) {
    // A full disk is not the archive's fault.
    if (error instanceof Fault || (error instanceof Error && 'errno' in error)) throw error
    throw invalid('The context is not a whole tar archive.', error)
  }
}

function checkedEntry({ name, type, linkname, mode }: Header): Entry {
  const kind = KINDS.get(type)
  if (kind === undefined) {
    throw invalid('The context has an entry that is no file, folder or link.')
  }
  const path = pathInside(name)
  const target = kind === 'link' ? pathInside(linkname) : kind === 'symlink' ? linkname : ''
  if ((kind === 'link' || kind === 'symlink') && (target === '' || target.includes('\0'))) {
    throw invalid('The context has a link without a target.')
  }
  return { path, kind, target, mode: mode & 0o7777 }
}

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['file', 'file'],
  ['contiguous-file', 'file'],
  ['directory', 'directory'],
  ['symlink', 'symlink'],
  ['link', 'link'],
])

/** A path below the archive's folder. What it leads to is not said: the name may be anything. */
function pathInside(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0')) {
    throw invalid('The context has an entry that leads out of it.')
  }
  const path = parts.join('/')
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw invalid('The context has a path that is too long.')
  return path
}

/** Each path once, below folders only. */
function requireRoom({ path, kind, target }: Entry, kinds: Map<string, Kind>): void {
  const before = kinds.get(path)
  if (
    path === '' ? kind !== 'directory' : before !== undefined && (before !== 'directory' || kind !== before)
  ) {
    throw invalid('The context has two entries of one path.')
  }
  for (let above = dirname(path); above !== '.'; above = dirname(above)) {
    const kindAbove = kinds.get(above)
    if (kindAbove === 'directory') break
    if (kindAbove !== undefined) throw invalid('The context has an entry behind a link or a file.')
    kinds.set(above, 'directory')
  }
  if (kind === 'link' && kinds.get(target) !== 'file') {
    throw invalid('The context has a hard link to something that is no file of it.')
  }
  kinds.set(path, kind === 'link' ? 'file' : kind)
}

const drained = (reader: ReturnType<typeof extract>): Promise<void> =>
  new Promise((resolve) => void reader.once('drain', resolve))

/** A header block and padding for each entry. */
const overhead = ({ entries }: ContextLimits): number => entries * 2048

const tooLarge = ({ bytes }: ContextLimits): Fault =>
  new Fault('REQUEST_INVALID', `The context is larger than ${String(Math.floor(bytes / (1 << 20)))} MiB.`, {
    hint: 'Leave files out with a .dockerignore.',
  })

const invalid = (message: string, cause?: unknown): Fault => new Fault('REQUEST_INVALID', message, { cause })

/**
 * Build contexts as tar streams: a folder without what its `.dockerignore`
 * names, some files of it, or files that exist in memory only.
 *
 * @packageDocumentation
 */

import { closeSync, constants, createReadStream, lstatSync, openSync, readSync, type Stats } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import dockerignore from '@balena/dockerignore'
import { pack, type Header, type Pack } from 'tar-stream'
import { Fault } from '../errors.js'

/** What goes into a context. */
export interface ContextSource {
  /** The folder, absolute. */
  readonly root: string | undefined
  /** Paths below the folder to take, `/`-separated; default: all of it. */
  readonly only?: readonly string[]
  /** Lines of the `.dockerignore` that counts; default: the folder's own. */
  readonly ignoreLines?: string | undefined
  /** Files that exist in memory, by path. They hide files of the folder. */
  readonly files?: ReadonlyMap<string, Uint8Array>
}

type Filter = ReturnType<typeof dockerignore.default>

/** A file whose time does not matter has this one, so that equal contexts are equal byte for byte. */
const EPOCH = new Date(0)

/**
 * Files up to this size are read in one go, in bytes, and by this thread: most contexts are thousands of small files, and to
 * have another thread open, read and close each takes several times as long.
 */
const SMALL_BYTES = 128 * 1024
/** So many are added before others have a turn. */
const FILES_AT_ONCE = 32

/**
 * Makes a context, anew at each call of the result: BuildKit may read it twice.
 *
 * @throws {@link Fault} `REQUEST_INVALID` while it is read, for a file that cannot be read.
 */
export function contextTar(source: ContextSource): () => AsyncIterable<Uint8Array> {
  return () => packed(source)
}

/** Nothing is packed before somebody reads: a failure without a reader would end the process. */
async function* packed(source: ContextSource): AsyncGenerator<Uint8Array> {
  const archive = pack()
  const filled = fill(archive, source)
  // A failure destroys the stream, and its reader tells; this only keeps Node from telling twice.
  filled.catch((error: unknown) =>
    archive.destroy(error instanceof Error ? error : new Error('packing failed')),
  )
  yield* archive as unknown as AsyncIterable<Uint8Array>
}

/** The text of the ignore file that counts: `<Dockerfile>.dockerignore` before `.dockerignore`, as BuildKit has it. */
export async function ignoreLines(root: string, dockerfile: string | undefined): Promise<string | undefined> {
  const candidates = [
    ...(dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]),
    join(root, '.dockerignore'),
  ]
  for (const candidate of candidates) {
    try {
      return await readFile(candidate, 'utf8')
    } catch (error) {
      if (!isMissing(error)) throw unreadable(candidate, error)
    }
  }
  return undefined
}

async function fill(archive: Pack, { root, only, ignoreLines: lines, files }: ContextSource): Promise<void> {
  let count = 0
  for (const [name, bytes] of files ?? []) {
    archive.entry({ name, mode: 0o644, mtime: EPOCH }, Buffer.from(bytes))
    count += 1
  }
  if (root !== undefined) {
    const filter = lines === undefined ? undefined : dockerignore.default().add(lines)
    for (const start of only ?? ['']) {
      for await (const found of walk(root, start, filter)) {
        if (files?.has(found.path) === true) continue
        await add(archive, root, found)
        count += 1
        // Signals and timers have their turn.
        if (count % FILES_AT_ONCE === 0) await new Promise(setImmediate)
      }
    }
  }
  // The engine does not take an empty archive for a context.
  if (count === 0) archive.entry({ name: './', type: 'directory', mode: 0o755, mtime: EPOCH })
  archive.finalize()
}

/** Something in a context. */
interface Found {
  readonly path: string
  readonly stats: Stats
}

/** What is below a folder in a fixed order, folders before what is in them. */
async function* walk(root: string, path: string, filter: Filter | undefined): AsyncGenerator<Found> {
  const stats = statOf(join(root, path))
  // A folder that is left out may still hold files that a later "!" line takes back in.
  if (path !== '' && filter?.ignores(path) !== true) yield { path, stats }
  if (!stats.isDirectory()) return
  const names = await readdir(join(root, path)).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  for (const name of names.sort()) yield* walk(root, path === '' ? name : `${path}/${name}`, filter)
}

async function add(archive: Pack, root: string, { path, stats }: Found): Promise<void> {
  const file = join(root, path)
  const header = { name: path, mode: stats.mode & 0o7777, mtime: stats.mtime, uid: 0, gid: 0 }
  if (stats.isDirectory()) archive.entry({ ...header, type: 'directory' })
  else if (stats.isSymbolicLink())
    archive.entry({ ...header, type: 'symlink', linkname: await readlink(file) })
  else if (stats.isFile()) await addFile(archive, { ...header, size: stats.size }, file)
  // Sockets and pipes are not part of a context, as in Docker's own client.
}

/** Adds as much of a file as there was when it was looked at: a log that grows meanwhile is sent as it stood then. */
async function addFile(
  archive: Pack,
  header: Partial<Header> & Pick<Header, 'name'> & { readonly size: number },
  file: string,
): Promise<void> {
  const bytes = header.size <= SMALL_BYTES ? wholeFile(file, header) : undefined
  await new Promise<void>((done, fail) => {
    const over = (error?: Error | null): void => {
      if (error === null || error === undefined) done()
      else fail(error)
    }
    const entry = bytes === undefined ? archive.entry(header, over) : archive.entry(header, bytes, over)
    // A failure of the archive reaches the entry as an event too, which nobody else hears.
    entry.on('error', fail)
    if (bytes === undefined) copy(file, header, entry).catch(fail)
  })
}

/** What was a file when it was looked at may have been put aside for a pipe, which nobody may wait for, or for a link. */
const AS_FOUND = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

/** The bytes of a small file. */
function wholeFile(file: string, { name, size }: { readonly name: string; readonly size: number }): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  try {
    const descriptor = openSync(file, AS_FOUND)
    try {
      for (let read = 1; at < size && read > 0; at += read)
        read = readSync(descriptor, bytes, at, size - at, null)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    throw unreadable(name, error)
  }
  if (at < size) throw shorter(name)
  return bytes
}

async function copy(
  file: string,
  { name, size }: { readonly name: string; readonly size: number },
  entry: ReturnType<Pack['entry']>,
): Promise<void> {
  let missing = size
  let wake = (): void => undefined
  for (const event of ['drain', 'close']) entry.on(event, () => wake())
  try {
    for await (const chunk of size === 0 ? [] : createReadStream(file, { end: size - 1 })) {
      // Nobody reads on. A write would wait for a reader for ever.
      if (entry.destroyed) return
      missing -= (chunk as Uint8Array).length
      if (!entry.write(chunk)) await new Promise<void>((resolve) => (wake = resolve))
    }
  } catch (error) {
    throw unreadable(name, error)
  }
  if (missing > 0) throw shorter(name)
  entry.end(undefined)
}

const shorter = (name: string): Fault =>
  new Fault('REQUEST_INVALID', `The file ${name} of the context became shorter while it was sent.`, {
    hint: 'Build again when nothing writes to it, or leave it out with a .dockerignore.',
  })

function statOf(file: string): Stats {
  try {
    return lstatSync(file)
  } catch (error) {
    throw unreadable(file, error)
  }
}

const unreadable = (path: string, cause: unknown): Fault =>
  new Fault('REQUEST_INVALID', `The file ${path} of the context cannot be read.`, { cause })

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

/**
 * A path given by a person, made relative to the context.
 *
 * @returns `null` for one that leaves the context.
 */
export function insideContext(root: string, path: string): string | null {
  const inside = relative(root, resolve(root, path))
  if (inside === '..' || inside.startsWith(`..${sep}`)) return null
  return inside.split(sep).join('/')
}

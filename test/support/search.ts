/**
 * Looks for a token in every place where a build could have left it. Written
 * apart from the product's matcher, and much simpler: it is the second opinion.
 *
 * @packageDocumentation
 */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import yauzl from 'yauzl'
import { openDocker } from './engine.js'

/** Where to look. Processes and the engine's build records are always looked at. */
export interface Places {
  /** Texts by a name that a failing test shows: a log, an error, a report. */
  readonly texts?: Readonly<Record<string, string>>
  /** Images by name or id, read as `docker save` gives them. */
  readonly images?: readonly string[]
  /** An image below those, older than any token: its layers are left out, because reading them takes most of the time. */
  readonly above?: string | undefined
  /** Folders, read with everything below them. */
  readonly folders?: readonly string[]
}

/** Larger files of a folder are no text and no spool of ours; reading them would only take time. */
const MAX_FILE_BYTES = 64 << 20

/** Names of the places, and the form, in which any of the tokens stands. Empty is what a test wants. */
export async function searchEverywhere(
  tokens: readonly string[],
  places: Places,
): Promise<readonly string[]> {
  const needles = tokens.flatMap(formsOf)
  const hits: string[] = []
  const look = (place: string, bytes: Uint8Array): void => {
    const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (const { form, needle } of needles) if (haystack.includes(needle)) hits.push(`${place}: ${form}`)
  }
  for (const [name, text] of Object.entries(places.texts ?? {})) look(name, Buffer.from(text))
  for (const image of places.images ?? []) {
    for await (const { name, bytes } of savedFiles(image, places.above)) look(`${image} ${name}`, bytes)
  }
  for (const folder of places.folders ?? []) {
    for await (const { name, bytes } of filesBelow(folder)) look(name, bytes)
  }
  for await (const { name, bytes } of processFiles()) look(name, bytes)
  look('build records of the engine', await buildRecords())
  return hits
}

/** How a token can be written. Base64 at each alignment, without the characters that depend on its neighbours. */
export function formsOf(token: string): readonly { readonly form: string; readonly needle: Buffer }[] {
  const bytes = Buffer.from(token)
  const aligned = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const certainEnd = text.length - ((shift + bytes.length) % 3 === 0 ? 0 : 1)
    return {
      form: `base64 shifted by ${String(shift)}`,
      text: text.slice(shift === 0 ? 0 : shift + 1, certainEnd),
    }
  })
  const texts = [
    { form: 'raw', text: token },
    ...aligned,
    { form: 'hex', text: bytes.toString('hex') },
    { form: 'HEX', text: bytes.toString('hex').toUpperCase() },
    { form: 'percent', text: encodeURIComponent(token) },
    { form: 'JSON', text: JSON.stringify(token).slice(1, -1) },
  ]
  const forms = [
    ...texts.map(({ form, text }) => ({ form, needle: Buffer.from(text) })),
    { form: 'reversed', needle: Buffer.from(token).reverse() },
    { form: 'UTF-16', needle: Buffer.from(token, 'utf16le') },
  ]
  // A token of letters and digits looks the same in several forms; the first one's name stands for all.
  return forms.filter(
    ({ needle }, index) => forms.findIndex((other) => other.needle.equals(needle)) === index,
  )
}

interface NamedBytes {
  readonly name: string
  readonly bytes: Uint8Array
}

/**
 * Everything of an image. Where the engine keeps its layers as folders of this machine, those above another image are
 * read there: `docker save` packs all of them each time, however few are asked for.
 */
async function* savedFiles(image: string, above: string | undefined): AsyncGenerator<NamedBytes> {
  const folders = above === undefined ? undefined : await layerFolders(image, above)
  if (folders !== undefined) {
    yield* imageTexts(image)
    for (const folder of folders) {
      for await (const { name, bytes } of filesBelow(folder, Infinity)) {
        yield { name, bytes }
        yield* decompressed(name, bytes)
      }
    }
    return
  }
  const bytes = await buffer(await openDocker().getImage(image).get())
  if (above === undefined) {
    yield { name: 'saved', bytes }
    yield* decompressed('saved', bytes)
    return
  }
  const older = await layerDigests(above)
  const archive = extract()
  archive.end(bytes)
  for await (const entry of archive) {
    const content = await buffer(entry)
    if (older.has(`sha256:${createHash('sha256').update(content).digest('hex')}`)) continue
    yield { name: `saved!${entry.header.name}`, bytes: content }
    yield* decompressed(`saved!${entry.header.name}`, content)
  }
}

/** What the engine says of an image: its configuration and its history. */
async function* imageTexts(image: string): AsyncGenerator<NamedBytes> {
  const handle = openDocker().getImage(image)
  yield { name: 'configuration', bytes: Buffer.from(JSON.stringify(await handle.inspect())) }
  yield { name: 'history', bytes: Buffer.from(JSON.stringify(await handle.history())) }
}

/** Folders of the layers that an image has and the one below it has not; `undefined` where they are not to be had here. */
async function layerFolders(image: string, above: string): Promise<readonly string[] | undefined> {
  const older = new Set(await foldersOf(above))
  const folders = await foldersOf(image)
  if (older.size === 0 || folders.length === 0) return undefined
  const own = folders.filter((folder) => !older.has(folder))
  return own.length > 0 && own.every((folder) => existsSync(folder)) ? own : undefined
}

/** As the engine names them where it stores images with overlay2. */
async function foldersOf(image: string): Promise<readonly string[]> {
  const { GraphDriver } = await openDocker().getImage(image).inspect()
  const { UpperDir = '', LowerDir = '' } = (GraphDriver.Data as Record<string, string> | null) ?? {}
  return [UpperDir, ...LowerDir.split(':')].filter((folder) => folder !== '')
}

/** Digests of an image's layers, as they are before anything compresses them. */
async function layerDigests(image: string): Promise<ReadonlySet<string>> {
  const { RootFS } = await openDocker().getImage(image).inspect()
  return new Set(RootFS.Layers)
}

/** What cannot be seen in the bytes themselves, as deep as it goes. Files that an archive only stores can be seen. */
async function* decompressed(name: string, bytes: Buffer): AsyncGenerator<NamedBytes> {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    const content = gunzipSync(bytes)
    yield { name: `${name}!gunzip`, bytes: content }
    yield* decompressed(`${name}!gunzip`, content)
  } else if (bytes.subarray(257, 262).toString('latin1') === 'ustar') {
    const archive = extract()
    archive.end(bytes)
    for await (const entry of archive) {
      yield* decompressed(`${name}!${entry.header.name}`, await buffer(entry))
    }
  } else if (bytes.subarray(0, 4).toString('latin1') === 'PK\x03\x04') {
    const archive = await yauzl.fromBufferPromise(bytes)
    for await (const entry of archive.eachEntry()) {
      const content = await buffer(await archive.openReadStreamPromise(entry))
      yield { name: `${name}!${entry.fileName}`, bytes: content }
      yield* decompressed(`${name}!${entry.fileName}`, content)
    }
  }
}

async function* filesBelow(
  folder: string,
  most = MAX_FILE_BYTES,
): AsyncGenerator<NamedBytes & { bytes: Buffer }> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const name = join(entry.parentPath, entry.name)
    yield { name: `name of ${name}`, bytes: Buffer.from(name) }
    if (entry.isSymbolicLink()) yield { name: `link ${name}`, bytes: Buffer.from(await readlink(name)) }
    if (entry.isFile() && (await stat(name)).size <= most) yield { name, bytes: await readFile(name) }
  }
}

/** Arguments and environments of all processes of the machine. */
async function* processFiles(): AsyncGenerator<NamedBytes> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const file of ['cmdline', 'environ']) {
      const name = `/proc/${pid}/${file}`
      const bytes = await readFile(name).catch(unlessGone)
      if (bytes !== undefined) yield { name, bytes }
    }
  }
}

/** A process may end, and a file go, between being listed and being read; the kernel's own processes have no environment. */
export function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ESRCH' || error.code === 'EACCES') return undefined
  throw error
}

/** What the engine keeps of builds: the descriptions of its cache records. */
async function buildRecords(): Promise<Buffer> {
  const usage = (await openDocker().df()) as { BuildCache?: unknown }
  return Buffer.from(JSON.stringify(usage.BuildCache ?? []))
}

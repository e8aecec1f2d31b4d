/**
 * Looks into an archive in a file, or a layout in a folder, without reading its
 * layers: which member claims to be the layer of which digest. The claims are
 * nobody's word yet. Whoever leaves a layer out because of one has to hash it.
 *
 * @packageDocumentation
 */

import { open, readdir, readFile, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import {
  HEADER_BYTES,
  isDocument,
  isImageArchive,
  KEPT_DOCUMENT_BYTES,
  Members,
  type Target,
} from './archive-members.js'
import type { Digest } from './engine.js'

/** By the id of a part, as `archiveParts` has it, the digest of the layer that it claims to be once it is unpacked. */
export type LayerClaims = ReadonlyMap<string, Digest>

/** An archive with more members is not looked into: an image has some hundreds. */
const MAX_MEMBERS = 10_000

/** Longest name of a member that is followed, and longest target of a link. */
const NAME_BYTES = 100

interface Member {
  readonly name: string
  /** For a link, what it leads to. */
  readonly target?: Target
  readonly size: number
  /** Its first bytes, fewer where it has fewer. */
  read(count: number): Promise<Uint8Array>
}

/** The claims of a tar in a file. None where it is packed, or is no archive of an image. */
export async function claimsOfFile(path: string): Promise<LayerClaims> {
  await using file = await open(path)
  const head = await readAt(file, 0, 16 * HEADER_BYTES)
  return isImageArchive(head) ? await claimsOf(tarMembers(file)) : new Map()
}

/** The claims of an OCI layout in a folder. None where it is none. */
export const claimsOfFolder = (root: string): Promise<LayerClaims> => claimsOf(folderMembers(root))

async function claimsOf(all: AsyncIterable<Member>): Promise<LayerClaims> {
  const members = new Members('config')
  for await (const member of all) {
    const { name, target, size } = member
    if (target !== undefined) members.link(name, target)
    else if (isDocument(name, await member.read(HEADER_BYTES))) {
      members.saw(name, 'document')
      if (size <= KEPT_DOCUMENT_BYTES) members.document(name, await member.read(size))
    } else members.saw(name, 'layer')
  }
  const claims = new Map<string, Digest | undefined>()
  for (const { part, digest } of members.layouts().flatMap(({ layers }) => layers)) {
    if (part === null) continue
    // Two images that disagree about one member say nothing.
    claims.set(part, claims.has(part) && claims.get(part) !== digest ? undefined : digest)
  }
  return new Map([...claims].flatMap(([part, digest]) => (digest === undefined ? [] : [[part, digest]])))
}

/** Members with short names, as the layouts have them. Where a header is not plain the rest is not followed. */
async function* tarMembers(file: FileHandle): AsyncGenerator<Member> {
  let at = 0
  for (let count = 0; count < MAX_MEMBERS; count += 1) {
    const header = await readAt(file, at, HEADER_BYTES)
    const name = text(header, 0)
    const size = Number.parseInt(header.toString('latin1', 124, 135), 8)
    if (header.length < HEADER_BYTES || name === '' || Number.isNaN(size)) return
    const type = String.fromCharCode(header[156] ?? 0)
    const content = at + HEADER_BYTES
    const read = (bytes: number): Promise<Uint8Array> => readAt(file, content, Math.min(bytes, size))
    if (type === '0' || type === '\0') yield { name, size, read }
    else if (type === '1' || type === '2') {
      yield { name, size: 0, target: { path: text(header, 157), isHard: type === '1' }, read }
    } else if (type !== '5') return
    at = content + Math.ceil(size / HEADER_BYTES) * HEADER_BYTES
  }
}

async function* folderMembers(root: string): AsyncGenerator<Member> {
  const blobs = join('blobs', 'sha256')
  const names = [
    ...(await namesIn(join(root, blobs))).map((name) => join(blobs, name)),
    ...(await namesIn(root)).filter((name) => name.endsWith('.json')),
  ]
  for (const name of names.slice(0, MAX_MEMBERS)) {
    const path = join(root, name)
    const { size } = await stat(path)
    yield {
      name,
      size,
      read: async (bytes) => {
        if (bytes >= size) return await readFile(path)
        await using file = await open(path)
        return await readAt(file, 0, bytes)
      },
    }
  }
}

/** Names of the plain files in a folder; none where there is no such folder. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return []
    throw error
  }
}

async function readAt(file: FileHandle, position: number, count: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(count), position })
  return buffer.subarray(0, bytesRead)
}

const text = (header: Buffer, at: number): string =>
  header.toString('latin1', at, at + NAME_BYTES).replace(/\0.*$/s, '')

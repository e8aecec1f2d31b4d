/**
 * The folder where one person or machine keeps what it knows of stores: the
 * embedded database, the identity, and for each store the writer's keys and
 * what is pinned.
 *
 * Files with keys are for their owner alone: one that others may read is
 * refused, and a file is only ever replaced as a whole.
 *
 * @packageDocumentation
 */

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { Fault } from '../errors.js'
import { SecretValue } from '../secret.js'

/** The process's environment variables, or a stand-in. */
export type Variables = Readonly<Record<string, string | undefined>>

/** A variable's text; `null` where it is not set or blank. */
export const given = (variables: Variables, name: string): string | null => {
  const text = variables[name]
  return text === undefined || text.trim() === '' ? null : text
}

/** Paths of one home. */
export interface Home {
  readonly folder: string
  /** The embedded store. */
  readonly database: string
  /** Private keys. 0600. */
  readonly identity: string
  /** The new private key of a rotation that has not ended. 0600. */
  readonly nextIdentity: string
  /** Lock of those who change the identity or the pins. It holds nothing. */
  readonly lock: string
  /** Keys for writing to the store of that id. 0600. */
  writer(storeId: string): string
  /** What is pinned of the store of that id. */
  pins(storeId: string): string
}

/** Largest key or pin file that is read, in bytes. */
const MAX_FILE_BYTES = 64 * 1024

/** Bits of a file's mode that let others than the owner in. */
const OTHERS = 0o077

/**
 * Where things are: `TRACELESS_HOME`, else `traceless` in the data folder of the XDG base directory specification
 * (https://specifications.freedesktop.org/basedir-spec/latest/), which says to ignore relative paths.
 */
export function homeOf(variables: Variables): Home {
  const own = given(variables, 'TRACELESS_HOME')
  if (own !== null) return homeAt(own)
  const data = variables['XDG_DATA_HOME']
  return homeAt(
    join(data !== undefined && isAbsolute(data) ? data : join(homedir(), '.local', 'share'), 'traceless'),
  )
}

/** The paths of a home in `folder`. */
export function homeAt(folder: string): Home {
  return {
    folder,
    database: join(folder, 'store.db'),
    identity: join(folder, 'identity'),
    nextIdentity: join(folder, 'identity.next'),
    lock: join(folder, 'identity.lock'),
    writer: (storeId) => join(folder, 'stores', storeId, 'writer'),
    pins: (storeId) => join(folder, 'stores', storeId, 'pins.json'),
  }
}

/**
 * Reads a file that holds keys.
 *
 * @returns `null` where there is no file.
 * @throws {@link Fault} `IDENTITY_INVALID` when others than its owner may read it, when it is no file, or too large.
 */
export async function readKeyFile(path: string): Promise<SecretValue | null> {
  const bytes = await readSmallFile(path, { keys: true })
  if (bytes === null) return null
  const value = new SecretValue(bytes)
  bytes.fill(0)
  return value
}

/** Reads a small file, `null` where there is none. */
export async function readSmallFile(path: string, { keys = false } = {}): Promise<Buffer | null> {
  let file
  try {
    file = await open(path, constants.O_RDONLY | (keys ? constants.O_NOFOLLOW : 0))
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw fileFault(path, error)
  }
  try {
    const { mode, size } = await file.stat()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > MAX_FILE_BYTES) {
      throw new Fault('IDENTITY_INVALID', `${path} is not a file of keys.`)
    }
    if (keys && (mode & OTHERS) !== 0) {
      throw new Fault('IDENTITY_INVALID', `${path} may be read by others than its owner.`, {
        hint: `If nobody else has seen it: chmod 600 ${path}`,
      })
    }
    return await file.readFile()
  } catch (error) {
    throw error instanceof Fault ? error : fileFault(path, error)
  } finally {
    await file.close()
  }
}

/**
 * Writes a file whole or not at all: after a crash at any moment the path names the old bytes or the new ones. The
 * mode is 0600, missing folders are made with 0700.
 *
 * @returns false where `replace` is false and there is a file already; it is left as it is.
 */
export async function writeFileWhole(
  path: string,
  bytes: Uint8Array,
  { replace }: { replace: boolean },
): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    await makeFolder(dirname(path))
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    try {
      if (replace) await rename(temporary, path)
      else await link(temporary, path)
    } finally {
      await rm(temporary, { force: true })
    }
    await syncFolder(dirname(path))
    return true
  } catch (error) {
    if (!replace && codeOf(error) === 'EEXIST') return false
    throw fileFault(path, error)
  }
}

/** Renames a file over another and waits until that is on disk. */
export async function replaceFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
    await syncFolder(dirname(to))
  } catch (error) {
    throw fileFault(to, error)
  }
}

/** Makes a folder, and those above it, for the owner alone. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeWithThoseAbove(path)
  } catch (error) {
    throw fileFault(path, error)
  }
}

/** Step by step: Node's own recursion goes on for ever where a file system takes no new names, as `/proc` does. */
async function makeWithThoseAbove(path: string): Promise<void> {
  if (await makeOne(path)) return
  await makeWithThoseAbove(dirname(path))
  if (!(await makeOne(path))) throw Object.assign(new Error('no such folder'), { code: 'ENOENT' })
}

/** @returns false where the folder above is not there. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(path) !== path) return false
    if (codeOf(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error
  }
  return true
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function fileFault(path: string, error: unknown): Fault {
  const code = codeOf(error)
  if (code === undefined) throw error
  const reason = REASONS[code] ?? `the system answers ${code}`
  return new Fault('STORE_UNAVAILABLE', `${path} cannot be used: ${reason}.`, { cause: error })
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EEXIST: 'a part of the path is not a folder',
  ENOENT: 'its folder cannot be made',
  ELOOP: 'it is a symbolic link',
}

/** The `code` of a system error; `undefined` for anything else. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

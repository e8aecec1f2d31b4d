/**
 * A PostgreSQL cluster of its own for tests: made, started, stopped and
 * deleted here, on a free port of this machine, with the server programs of
 * the distribution.
 */

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './free-port.js'

const run = promisify(execFile)

/** A running cluster. Dispose stops it and deletes its files. */
export interface Cluster extends AsyncDisposable {
  /** Makes an empty database and gives its URL. */
  createDatabase(): Promise<string>
  /** Kills the server in the middle of whatever it does, and starts it again. */
  crash(): Promise<void>
  /** Everything in a database as `pg_dump` writes it. */
  dump(url: string): Promise<Buffer>
  /** The folder with the cluster's files. */
  readonly data: string
}

/** Memory that a cluster may fill with its files where the machine has twice as much free, in bytes: a database is 8 MB. */
const IN_MEMORY_BYTES = 4 * 2 ** 30

/**
 * Starts a cluster. The server refuses to run as root, so root runs it as the user `postgres`.
 *
 * @param below - where its files are made; in memory where there is room, else in the folder for temporary files, unless given.
 */
export async function startPostgres(below?: string): Promise<Cluster> {
  const folder = await mkdtemp(join(below ?? (await roomyFolder()), 'traceless-postgres-'))
  const user = process.getuid?.() === 0 ? await userIds('postgres') : null
  const owner = user ?? {}
  if (user !== null) await chown(folder, user.uid, user.gid)
  const programs = await findPrograms()
  const data = join(folder, 'data')
  const port = await freePort()
  const start = async (): Promise<void> => {
    // A crash here is that of the server, after which the system still has what was written: it need not reach the disk.
    const flags = `-c fsync=off -c port=${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder}`
    await run(
      join(programs, 'pg_ctl'),
      ['-D', data, '-w', '-l', join(folder, 'log'), '-o', flags, 'start'],
      owner,
    )
  }
  const stop = async (): Promise<void> => {
    await run(join(programs, 'pg_ctl'), ['-D', data, '-w', '-m', 'immediate', 'stop'], owner)
  }
  await run(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '--locale=C.UTF-8', '-E', 'UTF8', '--no-sync'],
    owner,
  )
  await start()
  return {
    data,
    async createDatabase() {
      const name = `t_${randomBytes(6).toString('hex')}`
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
      await client.connect()
      try {
        await client.query(`create database ${name}`)
      } finally {
        await client.end()
      }
      return `postgres://postgres@127.0.0.1:${port}/${name}`
    },
    async dump(url) {
      const options = { encoding: 'buffer', maxBuffer: 1 << 28 } as const
      return (await run(join(programs, 'pg_dump'), ['--dbname', url], options)).stdout
    },
    async crash() {
      await stop()
      await start()
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A database is some hundred files, which a virtual disk takes a quarter of a second to make. */
async function roomyFolder(): Promise<string> {
  const shared = '/dev/shm'
  const { bavail, bsize } = await statfs(shared).catch(() => ({ bavail: 0, bsize: 0 }))
  return bavail * bsize >= IN_MEMORY_BYTES && freemem() >= 2 * IN_MEMORY_BYTES ? shared : tmpdir()
}

async function findPrograms(): Promise<string> {
  const root = '/usr/lib/postgresql'
  const [newest] = (await readdir(root)).sort((a, b) => Number(b) - Number(a))
  if (newest === undefined) throw new Error('there is no PostgreSQL here: apt-get install postgresql')
  return join(root, newest, 'bin')
}

async function userIds(name: string): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, name])))
  return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) }
}

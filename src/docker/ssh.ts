/**
 * A connection to Docker on another machine, as Docker's own client opens one:
 * the system's ssh runs `docker system dial-stdio` there
 * (https://github.com/docker/cli/blob/master/cli/connhelper/connhelper.go).
 * Keys, aliases, jumps and known hosts are those of the user's ssh.
 *
 * @packageDocumentation
 */

import { spawn } from 'node:child_process'
import { Duplex } from 'node:stream'
import { Fault } from '../errors.js'

/** Where to log in. Made by {@link sshPlace}, which lets nothing through that a shell or ssh would read as more. */
export interface SshPlace {
  readonly user: string | undefined
  readonly host: string
  readonly port: string | undefined
  /** Socket of the engine there; `undefined` for that machine's own choice. */
  readonly socket: string | undefined
}

/** How long ssh may take to connect, in seconds. */
const CONNECT_SECONDS = 20

/** Exit status of ssh for a failure of its own, and of a shell for a program that it does not find. */
const SSH_FAILED = 255
const NOT_FOUND = 127

/** @returns `undefined` for an address with a password or anything unusual in it. */
export function sshPlace(url: URL): SshPlace | undefined {
  const { username, password, hostname, port, pathname, search, hash } = url
  const plain = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (password !== '' || search !== '' || hash !== '') return undefined
  if (!plain.test(host) && !/^[0-9a-f:.]+$/i.test(host)) return undefined
  if (username !== '' && !plain.test(username)) return undefined
  if (!/^[A-Za-z0-9_./-]*$/.test(pathname)) return undefined
  return {
    user: username === '' ? undefined : username,
    host,
    port: port === '' ? undefined : port,
    socket: pathname === '' || pathname === '/' ? undefined : pathname,
  }
}

/** Starts ssh. The connection fails with a {@link Fault} `ENGINE_UNREACHABLE` that says what ssh could not do. */
export function openSsh({ user, host, port, socket }: SshPlace): Duplex {
  const remote = [
    'docker',
    ...(socket === undefined ? [] : ['--host', `unix://${socket}`]),
    'system',
    'dial-stdio',
  ]
  const child = spawn(
    'ssh',
    [
      // Nobody is there to answer a question.
      ...['-T', '-o', 'BatchMode=yes', '-o', `ConnectTimeout=${String(CONNECT_SECONDS)}`],
      ...(user === undefined ? [] : ['-l', user]),
      ...(port === undefined ? [] : ['-p', port]),
      ...['--', host, ...remote],
    ],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  )
  const pipes = [child.stdin, child.stdout] as unknown as readonly { ref(): void; unref(): void }[]
  const connection = new SshConnection(child.stdout, child.stdin, {
    kill: () => void child.kill(),
    hold: (held) => {
      for (const part of [child, ...pipes])
        if (held) part.ref()
        else part.unref()
    },
  })
  child.once('error', (cause) => connection.destroy(sshFault(host, 'There is no program "ssh" here', cause)))
  child.once('close', (status) => {
    if (status === 0) connection.push(null)
    else connection.destroy(sshFault(host, whatFailed(status), undefined))
  })
  return connection
}

function whatFailed(status: number | null): string {
  if (status === SSH_FAILED) return 'ssh could not log in'
  if (status === NOT_FOUND) return 'There is no program "docker" on that machine'
  return 'docker on that machine found no engine, or the connection broke'
}

const sshFault = (host: string, what: string, cause: unknown): Fault =>
  new Fault('ENGINE_UNREACHABLE', `The engine at ssh://${host} cannot be reached: ${what}.`, {
    hint: 'Check that "ssh HOST docker version" works without a question: the key, known_hosts, and docker on that machine.',
    cause,
  })

/** The two pipes of a child as one connection, with what Node's HTTP client asks of a socket. */
class SshConnection extends Duplex {
  readonly #output: NodeJS.ReadableStream & { destroy(): unknown }
  readonly #input: NodeJS.WritableStream & { destroy(): unknown }
  readonly #process: { kill(): void; hold(held: boolean): void }

  constructor(
    output: NodeJS.ReadableStream & { destroy(): unknown },
    input: NodeJS.WritableStream & { destroy(): unknown },
    process: { kill(): void; hold(held: boolean): void },
  ) {
    super()
    this.#output = output
    this.#input = input
    this.#process = process
    output.on('data', (chunk) => {
      if (!this.push(chunk)) output.pause()
    })
    // The end of the process tells whether this is an end or a failure.
    output.on('error', () => undefined)
    input.on('error', () => undefined)
  }

  override _read(): void {
    this.#output.resume()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#input.write(chunk, (error) => done(this.destroyed ? error : null))
  }

  override _final(done: () => void): void {
    this.#input.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#input.destroy()
    this.#output.destroy()
    this.#process.kill()
    done(error)
  }

  ref(): this {
    this.#process.hold(true)
    return this
  }

  unref(): this {
    this.#process.hold(false)
    return this
  }

  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }
}

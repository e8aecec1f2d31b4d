/**
 * A session inside a call: BuildKit's `Control.Session` carries a connection's
 * bytes as messages of a call that goes on in both directions
 * (https://github.com/moby/buildkit/blob/master/session/grpchijack/dial.go).
 *
 * Written on HTTP/2 itself, because the names of our methods are one header
 * each, and Connect joins equal headers into one.
 *
 * @packageDocumentation
 */

import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { BytesMessageSchema } from './proto/gen/control_pb.js'

/** Headers of a request; a list is sent as one header for each of its texts. */
export type Metadata = Readonly<Record<string, string | readonly string[]>>

const PATH = '/moby.buildkit.v1.Control/Session'

/** Of a gRPC message: a flag and four bytes of length (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
const PREFIX_BYTES = 5

/** Largest piece in one message; gRPC servers refuse messages over 4 MiB. */
const PIECE_BYTES = 1 << 20

/** Largest message that is taken: what BuildKit itself sends at most. */
const MAX_MESSAGE_BYTES = 16 << 20

/** Opens the call over a connection that speaks HTTP/2. Destroying the result closes that connection. */
export function openTunnel(connection: Duplex, metadata: Metadata): Duplex {
  const session = connect('http://buildkit', { createConnection: () => connection })
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(metadata)) {
    headers[name] = typeof value === 'string' ? value : [...value]
  }
  const stream = session.request({
    ...headers,
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  return new Tunnel(session, stream, connection)
}

class Tunnel extends Duplex {
  readonly #session: ClientHttp2Session
  readonly #stream: ClientHttp2Stream
  readonly #connection: Duplex
  #rest: Buffer = Buffer.alloc(0)

  constructor(session: ClientHttp2Session, stream: ClientHttp2Stream, connection: Duplex) {
    super()
    this.#session = session
    this.#stream = stream
    this.#connection = connection
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.on('end', () => this.push(null))
    stream.on('close', () => this.destroy())
    stream.on('error', (error: Error) => this.destroy(error))
    session.on('error', (error: Error) => this.destroy(error))
    session.on('close', () => this.destroy())
  }

  override _read(): void {
    this.#stream.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const frames: Buffer[] = []
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const data = new Uint8Array(chunk.subarray(at, at + PIECE_BYTES))
      const message = toBinary(BytesMessageSchema, create(BytesMessageSchema, { data }))
      const prefix = Buffer.alloc(PREFIX_BYTES)
      prefix.writeUInt32BE(message.length, 1)
      frames.push(prefix, Buffer.from(message))
    }
    this.#stream.write(Buffer.concat(frames), done)
  }

  override _final(done: () => void): void {
    this.#stream.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#session.destroy()
    this.#connection.destroy()
    done(error)
  }

  #take(chunk: Buffer): void {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (rest.length >= PREFIX_BYTES) {
      const length = rest.readUInt32BE(1)
      if (rest[0] !== 0 || length > MAX_MESSAGE_BYTES) {
        this.destroy(new Error('the session sent what is no message'))
        return
      }
      if (rest.length < PREFIX_BYTES + length) break
      const message = fromBinary(BytesMessageSchema, rest.subarray(PREFIX_BYTES, PREFIX_BYTES + length))
      rest = rest.subarray(PREFIX_BYTES + length)
      if (message.data.length > 0 && !this.push(message.data)) this.#stream.pause()
    }
    this.#rest = rest
  }
}

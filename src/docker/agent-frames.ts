/**
 * Messages to an SSH agent, cut apart: a length of four bytes, a type, a body
 * (https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent#section-3).
 *
 * @packageDocumentation
 */

import { Transform, type TransformCallback } from 'node:stream'

/** Longest message that is taken, in bytes, as in OpenSSH's agent. */
const MAX_BYTES = 256 * 1024

const HEADER_BYTES = 4

/** What our agent answers to. */
const KNOWN: ReadonlySet<number> = new Set([
  11, // SSH_AGENTC_REQUEST_IDENTITIES
  13, // SSH_AGENTC_SIGN_REQUEST
])

/**
 * Passes messages on, each whole, and those of other types without their body: ssh2 answers them with a failure, as it
 * should, and then takes the body for the next message (`AgentProtocol._write` of 1.17).
 */
export class AgentFrames extends Transform {
  #held = Buffer.alloc(0)

  override _transform(chunk: Uint8Array, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#held = Buffer.concat([this.#held, chunk])
    while (this.#held.length >= HEADER_BYTES) {
      const length = this.#held.readUInt32BE(0)
      if (length === 0 || length > MAX_BYTES) {
        done(new Error('a message to an agent has no valid length'))
        return
      }
      const end = HEADER_BYTES + length
      if (this.#held.length < end) break
      const type = this.#held.readUInt8(HEADER_BYTES)
      this.push(KNOWN.has(type) ? this.#held.subarray(0, end) : Buffer.from([0, 0, 0, 1, type]))
      this.#held = this.#held.subarray(end)
    }
    done()
  }
}

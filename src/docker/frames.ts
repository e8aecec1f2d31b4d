/**
 * How an engine sends two outputs over one connection: frames of a stream's
 * number, three zeros, a length of four bytes and the bytes
 * (https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach,
 * "Stream format").
 *
 * @packageDocumentation
 */

import type { OutputPiece } from './containers.js'

const HEADER_BYTES = 8

/** Takes frames apart, whatever way they are cut. */
export class FrameReader {
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerLength = 0
  #left = 0

  /** Takes the next bytes. The pieces are views of them. */
  push(chunk: Uint8Array): OutputPiece[] {
    const pieces: OutputPiece[] = []
    let at = 0
    while (at < chunk.length) {
      if (this.#left === 0) {
        const taken = chunk.subarray(at, at + HEADER_BYTES - this.#headerLength)
        this.#header.set(taken, this.#headerLength)
        this.#headerLength += taken.length
        at += taken.length
        if (this.#headerLength < HEADER_BYTES) break
        this.#headerLength = 0
        this.#left = this.#header.readUInt32BE(4)
        continue
      }
      const bytes = chunk.subarray(at, at + this.#left)
      at += bytes.length
      this.#left -= bytes.length
      pieces.push({ stream: this.#header[0] === 2 ? 'stderr' : 'stdout', bytes })
    }
    return pieces
  }
}

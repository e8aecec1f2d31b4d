/**
 * The talk with the script in front of a container's command: wait until it is
 * ready, send, wait until it has everything. What else comes from the
 * container on the way is kept for whoever shows its output.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'
import type { Attachment, OutputPiece } from '../docker/containers.js'

/** Output of a container, which may be begun to be read here and read on elsewhere. */
export class ContainerOutput implements AsyncIterable<OutputPiece> {
  readonly #pieces: AsyncIterator<OutputPiece>
  #kept: OutputPiece[] = []

  constructor(output: AsyncIterable<OutputPiece>) {
    this.#pieces = output[Symbol.asyncIterator]()
  }

  /**
   * Reads to a line that is `mark` and leaves it out; everything around it is kept.
   *
   * @returns whether it came before the end.
   */
  async passed(mark: string): Promise<boolean> {
    const line = Buffer.from(mark)
    const marked = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
    const waiting = this.#kept
    this.#kept = []
    for (;;) {
      const next = waiting.shift() ?? (await this.#next())
      if (next === undefined) {
        this.#kept = piecesOf(marked)
        return false
      }
      marked[next.stream] = Buffer.concat([marked[next.stream], next.bytes])
      const text = marked[next.stream]
      const at = text.indexOf(line)
      const end = at === -1 ? -1 : text.indexOf(0x0a, at + line.length)
      if (end === -1) continue
      marked[next.stream] = Buffer.concat([text.subarray(0, at), text.subarray(end + 1)])
      this.#kept = [...piecesOf(marked), ...waiting]
      return true
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputPiece> {
    yield* this.#kept.splice(0)
    for (let next = await this.#next(); next !== undefined; next = await this.#next()) yield next
  }

  async #next(): Promise<OutputPiece | undefined> {
    const next = await this.#pieces.next()
    return next.done === true ? undefined : next.value
  }
}

function piecesOf(texts: Readonly<Record<OutputPiece['stream'], Buffer>>): OutputPiece[] {
  return (['stdout', 'stderr'] as const).flatMap((stream) =>
    texts[stream].length === 0 ? [] : [{ stream, bytes: texts[stream] }],
  )
}

/**
 * Sends values to the script.
 *
 * @param input - what `shimInput` made.
 * @returns whether the script has taken them. It has ended where not.
 */
export async function handOver(
  { stdin }: Pick<Attachment, 'stdin'>,
  output: ContainerOutput,
  { mark, input }: { readonly mark: string; readonly input: Uint8Array },
): Promise<boolean> {
  if (!(await output.passed(mark))) return false
  await new Promise<void>((resolve) => {
    // A connection that breaks is seen where its output ends.
    stdin.write(input, () => resolve())
  })
  return output.passed(mark)
}

/** The fault for a script that ended before the command began. */
export const notTaken = (terminal: boolean): Fault =>
  new Fault('RUN_FAILED', 'The shell of the image did not take the values over.', {
    hint: terminal
      ? 'With -t the image needs stty. Leave -t out, or put the values where the engine shows them with --inspectable.'
      : 'Put the values where the engine shows them with --inspectable.',
  })

/**
 * Streams of bytes as bodies of responses.
 *
 * @packageDocumentation
 */

/** A body that is read as fast as the client takes it. `ended` is called once, however it ends. */
export function bodyFrom(
  source: AsyncIterable<Uint8Array>,
  ended: () => void = () => undefined,
): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = await iterator.next()
          if (next.done === true) {
            controller.close()
            ended()
          } else controller.enqueue(next.value)
        } catch (error) {
          ended()
          throw error
        }
      },
      async cancel() {
        ended()
        await iterator.return?.()
      },
    },
    // Nothing is read before the client asks for it.
    { highWaterMark: 0 },
  )
}

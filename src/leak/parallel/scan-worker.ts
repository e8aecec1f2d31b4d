/**
 * A thread of a scan: searches the pieces of tars that it is sent, one after
 * the other.
 *
 * @packageDocumentation
 */

import { parentPort, workerData } from 'node:worker_threads'
import { Budget } from '../archive/limits.js'
import { Ledger } from '../findings.js'
import { Search } from '../search.js'
import { shared, type FromThread, type Task, type ToThread } from './messages.js'

const port = parentPort
if (port === null) throw new TypeError('this module runs as a thread')
const { needles: given, limits, used } = workerData as Task
const needles = shared(given)
const budget = new Budget(limits, used)

/** What has come for a piece. */
class Inbox {
  readonly #messages: ToThread[] = []
  #wake = (): void => undefined

  put(message: ToThread): void {
    this.#messages.push(message)
    this.#wake()
  }

  async take(): Promise<ToThread> {
    for (;;) {
      const message = this.#messages.shift()
      if (message !== undefined) return message
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

/** Pieces, as they begin, and the end. Their messages may come mixed: what is behind one piece is the beginning of the next. */
const begun = new Inbox()
const inboxes = new Map<number, Inbox>()
port.on('message', (message: ToThread) => {
  if (message.type === 'open') inboxes.set(message.piece, new Inbox())
  if (message.type === 'open' || message.type === 'over') begun.put(message)
  else inboxes.get(message.piece)?.put(message)
})

const say = (message: FromThread): void => port.postMessage(message)

/** The bytes that come before a message of another kind, which is given to `onEnd`. */
async function* bytesOf(inbox: Inbox, onEnd: (message: ToThread) => void): AsyncGenerator<Uint8Array> {
  for (;;) {
    const message = await inbox.take()
    if (message.type !== 'bytes' && message.type !== 'rest') {
      onEnd(message)
      return
    }
    yield message.bytes
    say({ type: 'taken', bytes: message.bytes.length })
  }
}

for (let message = await begun.take(); message.type === 'open'; message = await begun.take()) {
  const { piece, part, origin, lead } = message
  const inbox = inboxes.get(piece) ?? begun
  const ledger = new Ledger()
  const search = new Search(needles, { budget, ledger, masked: needles, signal: undefined })
  let ends = false
  await search.piece(
    {
      origin,
      lead,
      bytes: bytesOf(inbox, (cut) => (ends = cut.type === 'cut' && cut.isWhole)),
      rest: bytesOf(inbox, () => undefined),
      isWhole: () => ends,
    },
    { spot: { part, steps: [] }, depth: 0 },
  )
  inboxes.delete(piece)
  say({ type: 'searched', piece, rows: ledger.rows(), bytes: search.bytes })
}
needles[Symbol.dispose]()
port.close()

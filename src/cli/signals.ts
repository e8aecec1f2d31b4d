/**
 * Signals to the program: the first one cancels, a second one ends at once, as
 * people expect who press Ctrl-C twice. A command that stands in for another
 * program takes them all and hands them on.
 *
 * @packageDocumentation
 */

import { Fault } from '../errors.js'

/** Signals that ask a program to end. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Signals that mean something to a program only, and end it where it does not listen. */
const OTHERS = ['SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/** The signals of this process. */
export class Signals {
  readonly #stop = new AbortController()
  #take: ((signal: NodeJS.Signals) => void) | undefined

  constructor() {
    for (const name of ENDING) {
      process.on(name, () => {
        if (this.#take !== undefined) {
          this.#take(name)
          return
        }
        if (this.signal.aborted) process.exit(130)
        this.#stop.abort(new Fault('CANCELLED', 'The command was cancelled.'))
      })
    }
  }

  /** Aborted by the first signal that nobody took. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Hands signals to `take` until disposed. */
  relay(take: (signal: NodeJS.Signals) => void): Disposable {
    this.#take = take
    for (const name of OTHERS) process.on(name, take)
    return {
      [Symbol.dispose]: () => {
        this.#take = undefined
        for (const name of OTHERS) process.off(name, take)
      },
    }
  }
}

/**
 * Waiting for something to happen, or for a while: what every loop of a queue
 * does between two looks.
 *
 * @packageDocumentation
 */

/** A bell that one waiter hears. What rings while nobody waits is heard at once by the next one. */
export class Bell {
  #rung = false
  #wake: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Waits until it rings, at most `ms` milliseconds, or until the signal is aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', wake)
          this.#wake = undefined
          resolve()
        }
        const timer = setTimeout(wake, ms)
        this.#wake = wake
        signal.addEventListener('abort', wake, { once: true })
      })
    }
    this.#rung = false
  }
}

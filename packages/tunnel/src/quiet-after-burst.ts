/** So many ends leave memory worth giving back. */
const burst = 1_000
/** Milliseconds between looks, and how many ends between two of them are quiet. */
const interval = 2_000
const quiet = 100

/** Calls once when many connections have ended and few end any more. */
export class QuietAfterBurst {
  readonly #call: () => void
  #ended = 0
  #timer: NodeJS.Timeout | undefined

  constructor(call: () => void) {
    this.#call = call
  }

  count(): void {
    this.#ended++
    if (this.#ended >= burst && this.#timer === undefined) this.#lookAgain()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #lookAgain(): void {
    const before = this.#ended
    this.#timer = setTimeout(() => {
      if (this.#ended - before > quiet) {
        this.#lookAgain()
        return
      }
      this.#timer = undefined
      this.#ended = 0
      this.#call()
    }, interval).unref()
  }
}

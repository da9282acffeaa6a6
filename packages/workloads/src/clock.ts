/** Timers as the package needs them; tests bring their own. */
export interface Clock {
  /** Runs once after so many milliseconds, unless the returned function was called before. */
  readonly after: (milliseconds: number, run: () => void) => () => void
}

export const systemClock: Clock = {
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds)
    return () => clearTimeout(timer)
  }
}

/** Time, so that tests can move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Calls once after `milliseconds`; the returned function cancels. */
  readonly after: (milliseconds: number, call: () => void) => () => void
}

// Longer timers overflow to "at once" in Node.
const longest = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, Math.min(Math.max(milliseconds, 0), longest))
    return () => clearTimeout(timer)
  }
}

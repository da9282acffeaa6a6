/** Time, so that tests can move it. */
export interface Clock {
  /** Calls once after `milliseconds`; the returned function cancels. */
  after: (milliseconds: number, call: () => void) => () => void
}

export const systemClock: Clock = {
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds)
    return () => clearTimeout(timer)
  }
}

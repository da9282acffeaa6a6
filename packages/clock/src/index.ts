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

/** Resolves after `milliseconds`, or as soon as `signal` aborts. */
export function sleep(
  milliseconds: number,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }
): Promise<void> {
  if (milliseconds === 0 || signal.aborted) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = (): void => {
    stopTimer()
    signal.removeEventListener('abort', done)
    resolve()
  }
  const stopTimer = clock.after(milliseconds, done)
  signal.addEventListener('abort', done, { once: true })
  return promise
}

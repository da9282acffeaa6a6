/** Delays that double from the first to the last, and start anew after a quiet time. */
export interface BackOff {
  /** Milliseconds to wait before the next attempt. */
  next(): number
  reset(): void
}

export function createBackOff(first: number, last: number): BackOff {
  let delay = first
  return {
    next: () => {
      const current = delay
      delay = Math.min(delay * 2, last)
      return current
    },
    reset: () => {
      delay = first
    }
  }
}

/** Resolves after the time, or at once when the signal aborts or already has. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}

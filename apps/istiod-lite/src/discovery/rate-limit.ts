import type { Clock } from '@culvert/clock'

/** Admits `perSecond` a second, in order; a call that would wait longer than `longestWait` is refused at once. */
export function createRateLimit(options: {
  readonly perSecond: number
  readonly longestWait: number
  readonly clock: Clock
}): () => Promise<boolean> {
  const { perSecond, longestWait, clock } = options
  const interval = 1000 / perSecond
  let nextFree = 0
  return () => {
    const now = clock.now()
    // A second's worth may come at once, as after a restart of the control plane.
    const slot = Math.max(nextFree, now - 1000)
    const wait = slot - now
    if (wait > longestWait) return Promise.resolve(false)
    nextFree = slot + interval
    if (wait <= 0) return Promise.resolve(true)
    return new Promise(resolve => clock.after(wait, () => resolve(true)))
  }
}

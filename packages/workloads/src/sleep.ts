import type { Clock } from '@culvert/clock'

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

import { createBackOff, pause } from './back-off.ts'

export interface PersistOptions {
  /** Milliseconds before the second attempt; each further wait is twice as long, up to five seconds. */
  readonly first: number
  /** Gives up, with undefined as the result. */
  readonly signal: AbortSignal
  readonly onFailure: (error: unknown) => void
  /** Something that makes another attempt worthwhile before its time. */
  readonly wake?: (signal: AbortSignal) => Promise<void>
}

/** Tries until it works. */
export async function persist<T>(attempt: () => Promise<T>, options: PersistOptions): Promise<T | undefined> {
  const backOff = createBackOff(options.first, 5000)
  while (!options.signal.aborted) {
    try {
      return await attempt()
    } catch (error) {
      options.onFailure(error)
      const waiting = new AbortController()
      const signal = AbortSignal.any([options.signal, waiting.signal])
      const waits = [pause(backOff.next(), signal), ...(options.wake === undefined ? [] : [options.wake(signal)])]
      await Promise.race(waits)
      waiting.abort()
    }
  }
  return undefined
}

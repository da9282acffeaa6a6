import { setTimeout as sleep } from 'node:timers/promises'

/** Keys to visit: each once however often it was added meanwhile, a few at a time, failures again a few times. */
export interface WorkQueue {
  add(key: string): void
  /** Resolves when there is nothing left to do. */
  idle(): Promise<void>
}

export interface WorkQueueOptions {
  readonly workers: number
  /** Visits of a failing key before it is given up until it is added again. */
  readonly attempts: number
  readonly visit: (key: string) => Promise<void>
  readonly onError: (key: string, error: Error) => void
  readonly signal: AbortSignal
}

// Doubled after each failure, so that five visits outlast a server that is away for a second.
const firstWaitMs = 100

export function createWorkQueue({ workers, attempts, visit, onError, signal }: WorkQueueOptions): WorkQueue {
  const waiting = new Map<string, number>()
  const busy = new Set<string>()
  let idle = Promise.withResolvers<void>()
  idle.resolve()

  async function run(key: string, tries: number): Promise<void> {
    try {
      await visit(key)
    } catch (error) {
      if (signal.aborted) return
      onError(key, error as Error)
      if (tries + 1 === attempts) return
      await sleep(firstWaitMs * 2 ** tries, undefined, { signal }).catch(() => {})
      if (!waiting.has(key)) waiting.set(key, tries + 1)
    }
  }

  function next(): void {
    if (signal.aborted) waiting.clear()
    for (const [key, tries] of waiting) {
      if (busy.size >= workers) return
      // Never two visits of one key at once: they would write over each other.
      if (busy.has(key)) continue
      waiting.delete(key)
      busy.add(key)
      void run(key, tries).then(() => {
        busy.delete(key)
        next()
      })
    }
    if (busy.size === 0 && waiting.size === 0) idle.resolve()
  }

  return {
    add(key) {
      if (busy.size === 0 && waiting.size === 0) idle = Promise.withResolvers()
      waiting.set(key, 0)
      next()
    },
    idle: () => idle.promise
  }
}

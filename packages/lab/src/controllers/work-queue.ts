export interface WorkQueue {
  add(key: string): void
  /** Once more after a while, whatever happens meanwhile. */
  addAfter(key: string, ms: number): void
}

export interface WorkQueueOptions {
  /** Brings what the key names to where it should be; called for one key at a time, in the order they were added. */
  readonly reconcile: (key: string) => Promise<void>
  /** Told of every failure; the key is tried again after a growing pause. */
  readonly onError: (key: string, error: unknown) => void
  readonly signal: AbortSignal
}

const firstPauseMs = 50
const longestPauseMs = 10_000

/** Keys to reconcile, each waiting at most once; one that is added while it is worked on is worked on again. */
export function createWorkQueue({ reconcile, onError, signal }: WorkQueueOptions): WorkQueue {
  const waiting = new Set<string>()
  const failures = new Map<string, number>()
  const timers = new Set<NodeJS.Timeout>()
  let busy = false

  signal.addEventListener('abort', () => {
    waiting.clear()
    for (const timer of timers) clearTimeout(timer)
    timers.clear()
  })

  function add(key: string): void {
    if (signal.aborted) return
    waiting.add(key)
    if (!busy) void work()
  }

  function addAfter(key: string, ms: number): void {
    if (signal.aborted) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      add(key)
    }, ms)
    timers.add(timer)
  }

  async function work(): Promise<void> {
    busy = true
    for (const key of waiting) {
      waiting.delete(key)
      try {
        await reconcile(key)
        failures.delete(key)
      } catch (error) {
        if (signal.aborted) break
        onError(key, error)
        const count = failures.get(key) ?? 0
        failures.set(key, count + 1)
        addAfter(key, Math.min(longestPauseMs, firstPauseMs * 2 ** count))
      }
      if (signal.aborted) break
    }
    busy = false
  }

  return { add, addAfter }
}

import { type Clock, systemClock } from '@culvert/clock'

export interface WorkQueue<Item> {
  /** Handled after everything that was added before, one at a time. */
  readonly add: (item: Item) => void
  /** Resolves when the item at hand is done; the others are dropped. */
  readonly stop: () => Promise<void>
}

/** docs/spec/cni.md 4.5: per item 5 ms doubling to 5 s, and for all together 10 retries/s with a burst of 100. */
const firstDelay = 5
const longestDelay = 5000
const retriesPerSecond = 10
const burst = 100

/** One worker; an item whose handling fails is tried again for ever. */
export function createWorkQueue<Item>(options: {
  readonly handle: (item: Item) => Promise<void>
  readonly onRetry?: (item: Item, error: Error, delay: number) => void
  readonly clock?: Clock
}): WorkQueue<Item> {
  const { handle, onRetry, clock = steadyClock } = options
  const ready: { item: Item; failures: number }[] = []
  const timers = new Set<() => void>()
  const bucket = createBucket(clock)
  let working: Promise<void> | undefined
  let stopped = false

  function work(): void {
    if (working !== undefined || stopped) return
    const next = ready.shift()
    if (next === undefined) return
    working = handle(next.item)
      .catch((error: Error) => retry(next.item, next.failures + 1, error))
      .finally(() => {
        working = undefined
        work()
      })
  }

  function retry(item: Item, failures: number, error: Error): void {
    if (stopped) return
    const own = Math.min(firstDelay * 2 ** (failures - 1), longestDelay)
    const delay = Math.max(own, bucket())
    onRetry?.(item, error, delay)
    const cancel = clock.after(delay, () => {
      timers.delete(cancel)
      ready.push({ item, failures })
      work()
    })
    timers.add(cancel)
  }

  return {
    add: item => {
      ready.push({ item, failures: 0 })
      work()
    },
    stop: async () => {
      stopped = true
      for (const cancel of timers) cancel()
      timers.clear()
      ready.length = 0
      await working
    }
  }
}

/** A token bucket: how long to wait for the next token, which is taken. */
function createBucket(clock: Clock): () => number {
  let tokens = burst
  let at = clock.now()
  return () => {
    const now = clock.now()
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * retriesPerSecond) - 1
    at = now
    return tokens >= 0 ? 0 : (-tokens / retriesPerSecond) * 1000
  }
}

// The bucket must not fill or dry up when the time of day is set.
const steadyClock: Clock = { ...systemClock, now: () => performance.now() }

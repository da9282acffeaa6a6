import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../index.ts'

/** Time that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /** Moves on, calling what is due in its order. */
  readonly advance: (milliseconds: number) => void
  /** As `advance`, but before each call, and at last, promises go on that can. */
  readonly settle: (milliseconds: number) => Promise<void>
  /** The waits that are under way, in milliseconds from now. */
  readonly waits: readonly number[]
  /** Every wait that was ever asked for, in milliseconds. */
  readonly asked: readonly number[]
}

/** A clock that shows `start`, in milliseconds since the epoch. */
export function createManualClock(start = 0): ManualClock {
  let time = start
  const timers = new Set<{ at: number; call: () => void }>()
  const asked: number[] = []

  /** Calls what comes due first, if anything does by then. */
  function callNext(end: number): boolean {
    const [due] = [...timers].filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)
    if (due === undefined) return false
    time = Math.max(time, due.at)
    timers.delete(due)
    due.call()
    return true
  }

  return {
    asked,
    get waits() {
      return [...timers].map(timer => timer.at - time)
    },
    now: () => time,
    after(milliseconds, call) {
      const timer = { at: time + milliseconds, call }
      asked.push(milliseconds)
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(milliseconds) {
      const end = time + milliseconds
      while (callNext(end));
      time = end
    },
    async settle(milliseconds) {
      const end = time + milliseconds
      do await setImmediate()
      while (callNext(end))
      time = end
    }
  }
}

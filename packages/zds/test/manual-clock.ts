import type { Clock } from '../src/clock.ts'

/** Time that stands still until it is told to move. */
export interface ManualClock extends Clock {
  /** Moves on, calling what is due in its order. */
  advance(milliseconds: number): void
  /** The waits that are under way, in milliseconds from now. */
  readonly waits: readonly number[]
  /** Every wait that was ever asked for. */
  readonly asked: readonly number[]
}

export function createManualClock(): ManualClock {
  let now = 0
  let timers: { at: number; call: () => void }[] = []
  const asked: number[] = []
  return {
    asked,
    get waits() {
      return timers.map(timer => timer.at - now)
    },
    after(milliseconds, call) {
      const timer = { at: now + milliseconds, call }
      asked.push(milliseconds)
      timers.push(timer)
      return () => {
        timers = timers.filter(other => other !== timer)
      }
    },
    advance(milliseconds) {
      const end = now + milliseconds
      for (;;) {
        const due = timers.filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)[0]
        if (due === undefined) break
        now = due.at
        timers = timers.filter(timer => timer !== due)
        due.call()
      }
      now = end
    }
  }
}

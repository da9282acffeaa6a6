import { setImmediate } from 'node:timers/promises'

/** Work in steps, one piece of work after the other, that lets others run before they notice. */
export interface Turns {
  readonly take: (steps: Iterable<void>) => Promise<void>
}

/** Milliseconds; connections wait for this long. */
const turn = 4

export function createTurns({ now = () => performance.now() }: { now?: () => number } = {}): Turns {
  let last: Promise<void> = Promise.resolve()

  async function run(steps: Iterable<void>): Promise<void> {
    let began = now()
    for (const _step of steps) {
      if (now() - began < turn) continue
      await setImmediate()
      began = now()
    }
  }

  return {
    take(steps) {
      const done = last.then(() => run(steps))
      // Who asked hears of a failure; who comes next does not.
      last = done.catch(() => undefined)
      return done
    }
  }
}

import type { Clock } from '@culvert/clock'

/** Look-ups that wait for the control plane, in on-demand mode. */
export interface Demands {
  /** Settles when the name was answered, or the wait is over. */
  readonly demand: (name: string) => Promise<void>
  /** Wakes those whose name is in a response that has been applied; names of resources and their aliases. */
  readonly settle: (names: { readonly present: Iterable<string>; readonly removed: Iterable<string> }) => void
  readonly unanswered: () => Iterable<string>
  /** On a new stream everything may be asked again: what nobody answered may have been lost with the old one. */
  readonly restart: () => void
}

/** Nothing upstream; without it a lost answer would hold a connection for ever. */
const maxWait = 5000

/** How long a name stays unknown before it is asked for again: istiod does not answer a repeated subscription. */
const absenceLasts = 30_000
const maxAbsent = 10_000

/** `ask` sends one subscription, if there is a stream to send it on. */
export function createDemands({ ask, clock }: { ask: (name: string) => void; clock: Clock }): Demands {
  const waiting = new Map<string, { readonly answered: Promise<void>; readonly wake: () => void }>()
  const absent = new Set<string>()

  function remember(name: string): void {
    // Rather ask too often than grow: these are destinations that applications make up.
    if (absent.size >= maxAbsent || absent.has(name)) return
    absent.add(name)
    clock.after(absenceLasts, () => absent.delete(name))
  }

  return {
    demand(name) {
      if (absent.has(name)) return Promise.resolve()
      const pending = waiting.get(name)
      if (pending !== undefined) return pending.answered
      const { promise, resolve } = Promise.withResolvers<void>()
      const stopTimer = clock.after(maxWait, () => {
        remember(name)
        wake()
      })
      const wake = (): void => {
        stopTimer()
        waiting.delete(name)
        resolve()
      }
      waiting.set(name, { answered: promise, wake })
      ask(name)
      return promise
    },
    settle({ present, removed }) {
      for (const name of present) {
        absent.delete(name)
        waiting.get(name)?.wake()
      }
      for (const name of removed) {
        if (!waiting.has(name)) continue
        remember(name)
        waiting.get(name)?.wake()
      }
    },
    unanswered: () => waiting.keys(),
    restart: () => absent.clear()
  }
}

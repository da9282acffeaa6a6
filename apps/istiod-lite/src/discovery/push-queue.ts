import type { Changes } from '../inventory/published.ts'
import { mergeChanges, noChanges } from './debounce.ts'

/** Takes a push; resolves when the client can take the next one. */
export interface PushTarget {
  push(changes: Changes): Promise<void>
}

export interface PushQueue {
  add(changes: Changes): void
  join(target: PushTarget): void
  leave(target: PushTarget): void
}

/** Changes for every client; for one that is still busy they merge, so a slow client costs one set of names. */
export function createPushQueue(options: { readonly atOnce: number }): PushQueue {
  const targets = new Set<PushTarget>()
  const waiting = new Map<PushTarget, Changes>()
  const busy = new Set<PushTarget>()

  function next(): void {
    for (const [target, changes] of waiting) {
      if (busy.size >= options.atOnce) return
      if (busy.has(target)) continue
      waiting.delete(target)
      busy.add(target)
      // A push that fails belongs to a stream that is ending, which leaves by itself.
      void target
        .push(changes)
        .catch(() => {})
        .then(() => {
          busy.delete(target)
          next()
        })
    }
  }

  return {
    add(changes) {
      for (const target of targets) {
        const merged = waiting.get(target) ?? noChanges()
        mergeChanges(merged, changes)
        waiting.set(target, merged)
      }
      next()
    },
    join: target => void targets.add(target),
    leave(target) {
      targets.delete(target)
      waiting.delete(target)
    }
  }
}

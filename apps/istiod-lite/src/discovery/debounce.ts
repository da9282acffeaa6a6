import type { Clock } from '@culvert/clock'
import type { Changes } from '../inventory/published.ts'

export interface DebounceOptions {
  /** Milliseconds of quiet before a push (`PILOT_DEBOUNCE_AFTER`). */
  readonly quiet: number
  /** Milliseconds after which a push comes however restless it is (`PILOT_DEBOUNCE_MAX`). */
  readonly longest: number
  readonly clock: Clock
  /** `waited`: milliseconds since the first of the changes. */
  readonly push: (changes: Changes, waited: number) => void
}

export interface Debounce {
  add(changes: Changes): void
  stop(): void
}

export function mergeChanges(into: Changes, from: Changes): void {
  for (const name of from.addresses) into.addresses.add(name)
  for (const name of from.policies) into.policies.add(name)
}

export const noChanges = (): Changes => ({ addresses: new Set(), policies: new Set() })

const isEmpty = ({ addresses, policies }: Changes): boolean => addresses.size === 0 && policies.size === 0

/** Gathers changed names until it has been quiet for a while (docs/spec/workload-xds.md 5). */
export function createDebounce({ quiet, longest, clock, push }: DebounceOptions): Debounce {
  let gathered = noChanges()
  let first = 0
  let cancel: (() => void) | undefined

  function fire(): void {
    cancel = undefined
    const changes = gathered
    gathered = noChanges()
    push(changes, clock.now() - first)
  }

  return {
    add(changes) {
      if (isEmpty(changes)) return
      if (cancel === undefined) first = clock.now()
      cancel?.()
      mergeChanges(gathered, changes)
      const remaining = first + longest - clock.now()
      cancel = clock.after(Math.max(0, Math.min(quiet, remaining)), fire)
    },
    stop() {
      cancel?.()
      cancel = undefined
    }
  }
}

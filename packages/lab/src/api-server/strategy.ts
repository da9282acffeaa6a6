import type { KubeObject } from './objects.ts'
import type { FieldError } from './status.ts'
import type { Store } from './store.ts'

/** What is particular to a kind when its objects are written. All of it works on values; none of it stores. */
export interface Strategy {
  /** Fills in what was left out; changes the object in place, which is the caller's own copy. */
  defaults?(object: KubeObject, context: StrategyContext): void
  /** Prepares a new object, after the defaults. */
  prepareCreate?(object: KubeObject, context: StrategyContext): void
  /** Carries over what an update must not change. */
  prepareUpdate?(object: KubeObject, old: KubeObject, context: StrategyContext): void
  validate?(object: KubeObject, old: KubeObject | undefined): FieldError[]
}

export interface StrategyContext {
  readonly store: Store
  readonly allocateClusterIp: (wanted: string | undefined) => string
  readonly allocateNodePort: (wanted: number | undefined) => number
}

import type { KubernetesError } from './errors.ts'
import type { KubernetesObject } from './objects.ts'

export interface InformerOptions {
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  /**
   * `empty`: a kind that the server does not have (its CRD is not installed) counts as synced with no objects, and is
   * asked for again every few seconds. `wait`, the default: `start` waits for it to appear.
   */
  readonly missingKind?: 'wait' | 'empty' | undefined
  /** Called for every failed list or watch before it is tried again, and for handlers that throw. */
  readonly onError?: ((error: KubernetesError) => void) | undefined
}

export interface InformerHandler<T extends KubernetesObject> {
  /** `initial` for objects that were there before the informer was in sync. */
  added?(object: T, initial: boolean): void
  updated?(old: T, now: T): void
  deleted?(object: T): void
}

export interface Informer<T extends KubernetesObject> {
  /** Lists, then watches until `signal` aborts. Resolves when in sync; rejects only when aborted before that. */
  start(options: { signal: AbortSignal }): Promise<void>
  readonly synced: boolean
  get(namespace: string | undefined, name: string): T | undefined
  list(): T[]
  /** Objects already known are reported as `added` before this returns. Returns the way to stop. */
  on(handler: InformerHandler<T>): () => void
}

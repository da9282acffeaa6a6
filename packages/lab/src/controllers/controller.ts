import type { KubernetesClient } from '@culvert/kubernetes'
import { createInformers, type Informers } from './informers.ts'

export interface ControllerOptions {
  readonly client: KubernetesClient
  /** Shared with other controllers; a controller of its own makes its own. */
  readonly informers?: Informers
  /** Failed attempts; each is repeated. */
  readonly onError?: (error: unknown) => void
}

export interface Controller {
  /** Resolves once the controller knows the state of the cluster and has begun; goes on until the signal aborts. */
  start(options: { signal: AbortSignal }): Promise<void>
}

export const informersOf = ({ client, informers }: ControllerOptions): Informers => informers ?? createInformers(client)

/** A conflict only says that the cache was behind: the next attempt sees more. */
export function reportUnlessConflict({ onError }: ControllerOptions): (key: string, error: unknown) => void {
  return (key, error) => {
    const { code } = error as { code?: unknown }
    if (code === 'KUBERNETES_CONFLICT' || code === 'KUBERNETES_ALREADY_EXISTS') return
    onError?.(error instanceof Error ? new Error(`${key}: ${error.message}`, { cause: error }) : error)
  }
}

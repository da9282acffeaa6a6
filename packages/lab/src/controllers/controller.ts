import { type KubernetesClient, KubernetesError } from '@culvert/kubernetes'
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

/** Reports what went wrong, except what only says that the cache was behind: the next attempt sees more. */
export function reportUnlessPassing({ onError }: ControllerOptions): (key: string, error: unknown) => void {
  return (key, error) => {
    if (isPassing(error)) return
    onError?.(error instanceof Error ? new Error(`${key}: ${error.message}`, { cause: error }) : error)
  }
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof KubernetesError)) return false
  // Forbidden is what a namespace that is being deleted answers to new objects.
  if (error.code === 'KUBERNETES_FORBIDDEN') return error.message.includes('is being terminated')
  return ['KUBERNETES_CONFLICT', 'KUBERNETES_ALREADY_EXISTS', 'KUBERNETES_NOT_FOUND'].includes(error.code)
}

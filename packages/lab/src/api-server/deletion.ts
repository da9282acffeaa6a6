import { copy, type KubeObject, timestamp } from './objects.ts'
import type { ResourceDefinition } from './resource-definition.ts'

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
  readonly dryRun?: boolean
}

/** Nothing holds an object that is being deleted any longer: no finalizers, no grace period, no namespace contents. */
export function isFinished({ metadata, spec }: KubeObject): boolean {
  if (metadata.deletionTimestamp === undefined || (metadata.deletionGracePeriodSeconds ?? 0) > 0) return false
  const namespaceFinalizers = (spec as { finalizers?: string[] } | undefined)?.finalizers
  return (metadata.finalizers ?? []).length === 0 && (namespaceFinalizers ?? []).length === 0
}

/** The object marked as being deleted, or undefined when it can go at once. */
export function beingDeleted(
  definition: ResourceDefinition,
  current: KubeObject,
  options: DeleteOptions,
  now: Date
): KubeObject | undefined {
  const grace = gracePeriod(definition, current, options.gracePeriodSeconds)
  const next = copy(current)
  const finalizers = new Set(current.metadata.finalizers)
  if (options.propagationPolicy === 'Foreground') finalizers.add('foregroundDeletion')
  if (options.propagationPolicy === 'Orphan') finalizers.add('orphan')
  if (finalizers.size > 0) next.metadata.finalizers = [...finalizers]
  if (definition.storageKey === '/namespaces') {
    next.status = { ...(current.status as object | undefined), phase: 'Terminating' }
  }
  const { deletionTimestamp, deletionGracePeriodSeconds } = current.metadata
  // A second delete can shorten the time that is left, never lengthen it.
  if (deletionTimestamp === undefined || grace < (deletionGracePeriodSeconds ?? 0)) {
    next.metadata.deletionTimestamp = timestamp(new Date(now.getTime() + grace * 1000))
    next.metadata.deletionGracePeriodSeconds = grace
    if (definition.generation !== 'none') next.metadata.generation = (current.metadata.generation ?? 0) + 1
  }
  return isFinished(next) ? undefined : next
}

/** Only pods are given time, and only those that a node runs. */
function gracePeriod(definition: ResourceDefinition, object: KubeObject, asked: number | undefined): number {
  if (definition.storageKey !== '/pods') return 0
  const spec = object.spec as { nodeName?: string; terminationGracePeriodSeconds?: number } | undefined
  const phase = (object.status as { phase?: string } | undefined)?.phase
  if (spec?.nodeName === undefined || phase === 'Succeeded' || phase === 'Failed') return 0
  return Math.max(0, asked ?? spec.terminationGracePeriodSeconds ?? 30)
}

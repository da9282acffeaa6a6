import { daemonSets, deployments, type ObjectRef } from '@culvert/kubernetes'
import type { WaitOptions } from './cluster-types.ts'
import { waitForObject, type WaitSource } from './wait.ts'

/** Waits until every pod of the wanted generation exists and is available. */
export async function waitForRollout(
  source: WaitSource,
  kind: 'Deployment' | 'DaemonSet',
  ref: ObjectRef,
  options: WaitOptions = {}
): Promise<void> {
  const description = `rollout of ${kind} ${ref.namespace}/${ref.name}`
  if (kind === 'Deployment') {
    await waitForObject(
      source,
      deployments,
      ref,
      object => {
        const { status, spec, metadata } = object ?? {}
        if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 1)) return false
        const wanted = spec?.replicas ?? 1
        const { updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = status ?? {}
        return updatedReplicas >= wanted && availableReplicas >= wanted && replicas === wanted
      },
      { description, ...options }
    )
    return
  }
  await waitForObject(
    source,
    daemonSets,
    ref,
    object => {
      const { status, metadata } = object ?? {}
      if (status === undefined || (status.observedGeneration ?? 0) < (metadata?.generation ?? 1)) return false
      const wanted = status.desiredNumberScheduled
      return wanted > 0 && (status.updatedNumberScheduled ?? 0) >= wanted && (status.numberAvailable ?? 0) >= wanted
    },
    { description, ...options }
  )
}

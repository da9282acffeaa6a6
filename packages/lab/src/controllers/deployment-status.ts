import type { V1Deployment, V1ReplicaSet } from '@culvert/kubernetes'
import { resolveCount } from './rollout.ts'

type Condition = NonNullable<NonNullable<V1Deployment['status']>['conditions']>[number]

export function revisionOf({ metadata }: V1ReplicaSet): number {
  return Number(metadata?.annotations?.['deployment.kubernetes.io/revision'] ?? 0) || 0
}

/** The status of a deployment from those of its ReplicaSets. */
export function deploymentStatus(
  deployment: V1Deployment,
  current: V1ReplicaSet | undefined,
  old: readonly V1ReplicaSet[],
  now: Date
): NonNullable<V1Deployment['status']> {
  const sets = current === undefined ? old : [current, ...old]
  const total = (read: (status: NonNullable<V1ReplicaSet['status']>) => number | undefined): number =>
    sets.reduce((sum, { status }) => sum + ((status && read(status)) ?? 0), 0)
  const replicas = total(status => status.replicas)
  const available = total(status => status.availableReplicas)
  const wanted = deployment.spec?.replicas ?? 1
  const updated = current?.status?.replicas ?? 0
  const { generation } = deployment.metadata ?? {}
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    replicas,
    updatedReplicas: updated,
    readyReplicas: total(status => status.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, Math.max(wanted, replicas) - available),
    conditions: [
      availability(deployment, available, now),
      progress(deployment, current, { done: updated === wanted && replicas === wanted && available === wanted }, now)
    ]
  }
}

function availability(deployment: V1Deployment, available: number, now: Date): Condition {
  const wanted = deployment.spec?.replicas ?? 1
  const { maxUnavailable = '25%', maxSurge = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {}
  const spare = resolveCount(maxUnavailable, wanted, Math.floor)
  const least = wanted - (spare === 0 && resolveCount(maxSurge, wanted, Math.ceil) === 0 ? 1 : spare)
  const enough = available >= Math.max(0, deployment.spec?.strategy?.type === 'Recreate' ? wanted : least)
  return condition(deployment, now, {
    type: 'Available',
    status: enough ? 'True' : 'False',
    reason: enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.'
  })
}

function progress(
  deployment: V1Deployment,
  current: V1ReplicaSet | undefined,
  { done }: { done: boolean },
  now: Date
): Condition {
  const name = current?.metadata?.name ?? ''
  return condition(deployment, now, {
    type: 'Progressing',
    status: 'True',
    reason: done ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated',
    message: done ? `ReplicaSet "${name}" has successfully progressed.` : `ReplicaSet "${name}" is progressing.`
  })
}

/** Its times change only with what it says. */
function condition(
  { status }: V1Deployment,
  now: Date,
  wanted: { type: string; status: string; reason: string; message: string }
): Condition {
  const before = status?.conditions?.find(({ type }) => type === wanted.type)
  const time = now.toISOString().replace(/\.\d+Z$/, 'Z')
  const said = before?.status === wanted.status && before.reason === wanted.reason && before.message === wanted.message
  const sameStatus = before?.status === wanted.status
  return {
    ...wanted,
    lastUpdateTime: (said ? before.lastUpdateTime : undefined) ?? time,
    lastTransitionTime: (sameStatus ? before.lastTransitionTime : undefined) ?? time
  }
}

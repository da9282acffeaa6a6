import type { V1Pod } from '@culvert/kubernetes'

type Labels = Readonly<Record<string, string>>

function ownerName(pod: V1Pod): string | undefined {
  const { metadata = {} } = pod
  // Without generateName the pod was made by hand and its owner says nothing about its name.
  if (!metadata.generateName) return undefined
  const owner = metadata.ownerReferences?.find(reference => reference.controller === true)
  if (owner === undefined) return undefined
  const labels = metadata.labels ?? {}
  if (owner.kind === 'ReplicaSet') {
    const hash = labels['pod-template-hash'] ?? labels['rollouts-pod-template-hash']
    if (hash !== undefined && owner.name.endsWith(`-${hash}`)) return owner.name.slice(0, -hash.length - 1)
  }
  if (owner.kind === 'ReplicationController' && labels.deploymentconfig) return labels.deploymentconfig
  // A CronJob names its Jobs by the minute they are due.
  if (owner.kind === 'Job') return /^(.+)-\d{8,10}$/.exec(owner.name)?.[1] ?? owner.name
  return owner.name
}

/** Label, else the controller that a person would name, else the pod (docs/spec/workload-xds.md 4.1). */
export function podWorkloadName(pod: V1Pod): string {
  const label = pod.metadata?.labels?.['service.istio.io/workload-name']
  return label || ownerName(pod) || pod.metadata?.name || ''
}

export function canonicalName(labels: Labels, workloadName: string): string {
  return (
    labels['service.istio.io/canonical-name'] || labels['app.kubernetes.io/name'] || labels.app || workloadName || ''
  )
}

export function canonicalRevision(labels: Labels): string {
  return (
    labels['service.istio.io/canonical-revision'] || labels['app.kubernetes.io/version'] || labels.version || 'latest'
  )
}

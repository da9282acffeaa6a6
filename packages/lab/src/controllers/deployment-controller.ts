import {
  deployments as deploymentResource,
  type KubernetesObject,
  type Resource,
  replicaSets,
  type V1Deployment,
  type V1ReplicaSet
} from '@culvert/kubernetes'
import { type Controller, type ControllerOptions, informersOf, reportUnlessPassing } from './controller.ts'
import { deploymentStatus, revisionOf } from './deployment-status.ts'
import { controllerOf, controllerReference, queueOwners, splitKey } from './ownership.ts'
import { rolloutStep } from './rollout.ts'
import { canonical, hashName } from './template-hash.ts'
import { createWorkQueue } from './work-queue.ts'
import { writeStatus } from './write-status.ts'

export const hashLabel = 'pod-template-hash'
const revisionAnnotation = 'deployment.kubernetes.io/revision'

/** Moves a Deployment's pods from one template to the next, by one ReplicaSet for each. */
export function createDeploymentController(options: ControllerOptions): Controller {
  const { client } = options
  const informers = informersOf(options)
  const deployments = informers.of('deployments')
  const sets = informers.of('replicaSets')

  return {
    async start({ signal }) {
      const queue = createWorkQueue({ signal, onError: reportUnlessPassing(options), reconcile })
      await informers.start({ signal })
      queueOwners(queue, 'Deployment', { owners: deployments, dependents: sets })
    }
  }

  async function reconcile(key: string): Promise<void> {
    const deployment = deployments.get(...splitKey(key))
    if (deployment?.spec === undefined || deployment.metadata?.deletionTimestamp !== undefined) return
    const owned = sets
      .list()
      .filter(set => controllerOf(set)?.uid === deployment.metadata?.uid)
      .sort((a, b) => revisionOf(a) - revisionOf(b))
    const current = await currentSet(deployment, owned)
    const old = owned.filter(set => set.metadata?.uid !== current?.metadata?.uid)
    if (current !== undefined) {
      await roll(deployment, current, old)
      await forgetOld(deployment, old)
    }
    await writeStatus(client, deploymentResource, deployment, deploymentStatus(deployment, current, old, new Date()))
  }

  /** The ReplicaSet of the deployment's present template, made if there is none. */
  async function currentSet(
    deployment: V1Deployment,
    owned: readonly V1ReplicaSet[]
  ): Promise<V1ReplicaSet | undefined> {
    const wanted = canonical(templateOf(deployment))
    const found = owned.find(set => canonical(templateOf(set)) === wanted)
    const latest = Math.max(0, ...owned.map(revisionOf))
    if (found === undefined) {
      if (deployment.spec?.paused === true) return undefined
      const revision = String(latest + 1)
      const made = await client.create(replicaSets, newSet(deployment, revision))
      await setRevision(deploymentResource, deployment, revision)
      return made
    }
    // Gone back to an earlier template: it is the newest again.
    const revision = String(revisionOf(found) < latest ? latest + 1 : revisionOf(found))
    await setRevision(replicaSets, found, revision)
    await setRevision(deploymentResource, deployment, revision)
    return found
  }

  async function setRevision(resource: Resource, object: KubernetesObject, revision: string): Promise<void> {
    const { namespace, name, annotations } = object.metadata!
    if (annotations?.[revisionAnnotation] === revision) return
    const patch = { metadata: { annotations: { [revisionAnnotation]: revision } } }
    await client.patch(resource, { namespace, name: name! }, patch, { type: 'merge' })
  }

  async function roll(deployment: V1Deployment, current: V1ReplicaSet, old: readonly V1ReplicaSet[]): Promise<void> {
    const { replicas = 1, strategy, paused } = deployment.spec!
    const replicasOf = ({ spec, status }: V1ReplicaSet) => ({
      wanted: spec?.replicas ?? 1,
      available: status?.availableReplicas ?? 0
    })
    if (paused === true) return scaleTo(current, replicas)
    if (strategy?.type === 'Recreate') {
      for (const set of old) await scaleTo(set, 0)
      const left = old.some(({ status }) => (status?.replicas ?? 0) > 0)
      return left ? undefined : scaleTo(current, replicas)
    }
    const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? {}
    const input = { replicas, maxSurge, maxUnavailable, current: replicasOf(current), old: old.map(replicasOf) }
    const step = rolloutStep(input)
    await scaleTo(current, step.current)
    for (const [index, set] of old.entries()) await scaleTo(set, step.old[index]!)
  }

  /** With the version that was read, so that a step is never taken from an old state. */
  async function scaleTo(set: V1ReplicaSet, count: number): Promise<void> {
    if (set.spec?.replicas === count) return
    const { namespace, name, resourceVersion } = set.metadata!
    const patch = { metadata: { resourceVersion }, spec: { replicas: count } }
    await client.patch(replicaSets, { namespace, name: name! }, patch, { type: 'merge' })
  }

  async function forgetOld(deployment: V1Deployment, old: readonly V1ReplicaSet[]): Promise<void> {
    const empty = old.filter(({ spec, status }) => spec?.replicas === 0 && (status?.replicas ?? 0) === 0)
    const excess = empty.length - (deployment.spec?.revisionHistoryLimit ?? 10)
    for (const set of empty.slice(0, Math.max(0, excess))) {
      const { namespace, name, uid } = set.metadata!
      await client.delete(replicaSets, { namespace, name: name! }, { uid })
    }
  }
}

/** A template without the label that tells the ReplicaSets apart. */
function templateOf({ spec }: V1Deployment | V1ReplicaSet): unknown {
  const template = spec?.template
  const { [hashLabel]: _, ...labels } = template?.metadata?.labels ?? {}
  const { creationTimestamp: __, ...metadata } = template?.metadata ?? {}
  return { ...template, metadata: { ...metadata, labels } }
}

function newSet(deployment: V1Deployment, revision: string): V1ReplicaSet {
  const { spec, metadata } = deployment
  const hash = hashName(templateOf(deployment), 10)
  const labels = { ...spec!.template.metadata?.labels, [hashLabel]: hash }
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${metadata?.name}-${hash}`,
      namespace: metadata?.namespace ?? '',
      labels,
      annotations: { [revisionAnnotation]: revision },
      ownerReferences: [controllerReference(deployment, deploymentResource)]
    },
    spec: {
      replicas: 0,
      ...(spec!.minReadySeconds === undefined ? {} : { minReadySeconds: spec!.minReadySeconds }),
      selector: { ...spec!.selector, matchLabels: { ...spec!.selector.matchLabels, [hashLabel]: hash } },
      template: { ...spec!.template, metadata: { ...spec!.template.metadata, labels } }
    }
  }
}

import { replicaSets, type V1ReplicaSet } from '@culvert/kubernetes'
import { type Controller, type ControllerOptions, informersOf, reportUnlessPassing } from './controller.ts'
import { queueOwners, splitKey } from './ownership.ts'
import { createPodControl } from './pod-control.ts'
import { byDispensability, isActive, isReady, shortestWait, untilAvailable } from './pod-facts.ts'
import { podFromTemplate } from './pod-from-template.ts'
import { createWorkQueue } from './work-queue.ts'
import { writeStatus } from './write-status.ts'

/** Pods made or deleted in one go; a large ReplicaSet comes in several. */
const burst = 50

/** Keeps as many pods of a template as a ReplicaSet asks for. */
export function createReplicaSetController(options: ControllerOptions): Controller {
  const { client } = options
  const informers = informersOf(options)
  const sets = informers.of('replicaSets')
  const podInformer = informers.of('pods')
  const podControl = createPodControl(client, podInformer)

  return {
    async start({ signal }) {
      const queue = createWorkQueue({ signal, onError: reportUnlessPassing(options), reconcile })
      await informers.start({ signal })
      queueOwners(queue, 'ReplicaSet', { owners: sets, dependents: podInformer })

      async function reconcile(key: string): Promise<void> {
        const set = sets.get(...splitKey(key))
        if (set?.spec === undefined) return
        if (set.metadata?.deletionTimestamp === undefined) await scale(set)
        const wait = await report(set)
        if (wait > 0) queue.addAfter(key, wait)
      }
    }
  }

  async function scale(set: V1ReplicaSet): Promise<void> {
    const active = podControl.owned(set).filter(isActive)
    const missing = (set.spec?.replicas ?? 1) - active.length
    if (missing > 0 && set.spec?.template !== undefined) {
      const pod = podFromTemplate(set, replicaSets, set.spec.template)
      for (let count = 0; count < Math.min(missing, burst); count += 1) await podControl.create(pod)
    }
    for (const pod of active.sort(byDispensability).slice(0, Math.min(Math.max(0, -missing), burst))) {
      await podControl.delete(pod)
    }
  }

  /** Milliseconds until a pod becomes available by nothing but time; 0 when there is none. */
  async function report(set: V1ReplicaSet): Promise<number> {
    const active = podControl.owned(set).filter(isActive)
    const waits = active.map(pod => untilAvailable(pod, set.spec?.minReadySeconds ?? 0, Date.now()))
    await writeStatus(client, replicaSets, set, {
      replicas: active.length,
      fullyLabeledReplicas: active.length,
      readyReplicas: active.filter(isReady).length,
      availableReplicas: waits.filter(wait => wait === 0).length,
      ...(set.metadata?.generation === undefined ? {} : { observedGeneration: set.metadata.generation })
    })
    return shortestWait(waits)
  }
}

import { daemonSets, objectKey, type V1DaemonSet, type V1Node, type V1Pod } from '@culvert/kubernetes'
import { type Controller, type ControllerOptions, informersOf, reportUnlessPassing } from './controller.ts'
import { daemonTolerations, whyNot } from './node-selection.ts'
import { queueOwners, splitKey } from './ownership.ts'
import { createPodControl } from './pod-control.ts'
import { isFinished, isReady, isTerminating, shortestWait, untilAvailable } from './pod-facts.ts'
import { podFromTemplate } from './pod-from-template.ts'
import { resolveCount } from './rollout.ts'
import { hashName } from './template-hash.ts'
import { createWorkQueue } from './work-queue.ts'
import { writeStatus } from './write-status.ts'

const hashLabel = 'controller-revision-hash'

/** Keeps one pod of a DaemonSet on each node it is for. */
export function createDaemonSetController(options: ControllerOptions): Controller {
  const { client } = options
  const informers = informersOf(options)
  const sets = informers.of('daemonSets')
  const nodes = informers.of('nodes')
  const podInformer = informers.of('pods')
  const podControl = createPodControl(client, podInformer)

  return {
    async start({ signal }) {
      const queue = createWorkQueue({ signal, onError: reportUnlessPassing(options), reconcile })
      const all = (): void => {
        for (const set of sets.list()) queue.add(objectKey(set))
      }
      await informers.start({ signal })
      queueOwners(queue, 'DaemonSet', { owners: sets, dependents: podInformer })
      nodes.on({ added: all, updated: all, deleted: all })

      async function reconcile(key: string): Promise<void> {
        const set = sets.get(...splitKey(key))
        if (set?.spec === undefined) return
        if (set.metadata?.deletionTimestamp === undefined) await place(set)
        const wait = await report(set)
        if (wait > 0) queue.addAfter(key, wait)
      }
    }
  }

  async function place(set: V1DaemonSet): Promise<void> {
    const hash = hashOf(set)
    const owned = podControl.owned(set)
    const wanted = nodesFor(set)
    for (const pod of owned) {
      const elsewhere = !wanted.some(({ metadata }) => metadata?.name === nodeOf(pod))
      if ((elsewhere || isFinished(pod)) && !isTerminating(pod)) await podControl.delete(pod)
    }
    for (const node of wanted) {
      const here = owned.filter(pod => nodeOf(pod) === node.metadata?.name && !isFinished(pod))
      // The successor of a pod that is going waits until it is gone: both would want the same ports and sockets.
      if (here.length === 0) await podControl.create(daemonPod(set, node, hash))
      for (const extra of here.slice(1)) if (!isTerminating(extra)) await podControl.delete(extra)
    }
    await replaceOld(set, hash, wanted.length)
  }

  async function replaceOld(set: V1DaemonSet, hash: string, wanted: number): Promise<void> {
    if (set.spec?.updateStrategy?.type === 'OnDelete') return
    const owned = podControl.owned(set)
    const old = owned.filter(pod => pod.metadata?.labels?.[hashLabel] !== hash && !isTerminating(pod))
    const most = resolveCount(set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, wanted, Math.ceil)
    const available = owned.filter(pod => !isTerminating(pod) && isReady(pod)).length
    let budget = Math.max(1, most) - (wanted - available)
    // One that is not ready costs nothing.
    for (const pod of old.sort((a, b) => Number(isReady(a)) - Number(isReady(b)))) {
      if (isReady(pod) && budget <= 0) return
      if (isReady(pod)) budget -= 1
      await podControl.delete(pod)
    }
  }

  function nodesFor(set: V1DaemonSet): V1Node[] {
    return nodes.list().filter(node => whyNot(daemonPod(set, node, ''), node) === undefined)
  }

  /** Milliseconds until a pod becomes available by nothing but time; 0 when there is none. */
  async function report(set: V1DaemonSet): Promise<number> {
    const wanted = nodesFor(set).map(({ metadata }) => metadata?.name)
    const running = podControl.owned(set).filter(pod => !isTerminating(pod) && !isFinished(pod))
    const placed = running.filter(pod => wanted.includes(nodeOf(pod)))
    const waits = placed.map(pod => untilAvailable(pod, set.spec?.minReadySeconds ?? 0, Date.now()))
    const available = waits.filter(wait => wait === 0).length
    const { generation } = set.metadata!
    await writeStatus(client, daemonSets, set, {
      currentNumberScheduled: placed.length,
      desiredNumberScheduled: wanted.length,
      numberMisscheduled: running.length - placed.length,
      numberReady: placed.filter(isReady).length,
      numberAvailable: available,
      numberUnavailable: wanted.length - available,
      updatedNumberScheduled: placed.filter(pod => pod.metadata?.labels?.[hashLabel] === hashOf(set)).length,
      ...(generation === undefined ? {} : { observedGeneration: generation })
    })
    return shortestWait(waits)
  }
}

const hashOf = (set: V1DaemonSet): string => hashName(set.spec?.template, 10)

/** A pod for one node, which the scheduler is told by an affinity to the node's name. */
function daemonPod(set: V1DaemonSet, node: V1Node, hash: string): V1Pod {
  const pod = podFromTemplate(set, daemonSets, set.spec!.template, { [hashLabel]: hash })
  const spec = pod.spec!
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node.metadata?.name ?? ''] }]
  const asked = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [{}]
  const nodeSelectorTerms = asked.map(term => ({ ...term, matchFields }))
  spec.affinity = {
    ...spec.affinity,
    nodeAffinity: {
      ...spec.affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms }
    }
  }
  spec.tolerations = [...(spec.tolerations ?? []), ...daemonTolerations]
  return pod
}

/** The node a pod runs on, or is meant for until the scheduler has put it there. */
function nodeOf({ spec }: V1Pod): string | undefined {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const meant = required?.nodeSelectorTerms[0]?.matchFields?.find(({ key }) => key === 'metadata.name')
  return spec?.nodeName ?? meant?.values?.[0]
}

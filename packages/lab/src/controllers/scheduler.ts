import { objectKey, pods as podResource, type V1Node, type V1Pod } from '@culvert/kubernetes'
import { type Controller, type ControllerOptions, informersOf, reportUnlessPassing } from './controller.ts'
import { whyNot } from './node-selection.ts'
import { splitKey } from './ownership.ts'
import { isFinished } from './pod-facts.ts'
import { createWorkQueue } from './work-queue.ts'

export const schedulerName = 'default-scheduler'

/** Gives each pod a node: one it may run on, with the fewest pods. Resources are not counted. */
export function createScheduler(options: ControllerOptions): Controller {
  const { client } = options
  const informers = informersOf(options)
  const pods = informers.of('pods')
  const nodes = informers.of('nodes')
  /** Bound by us, as long as the informer has not said so. */
  const bound = new Map<string, string>()

  return {
    async start({ signal }) {
      const queue = createWorkQueue({ signal, onError: reportUnlessPassing(options), reconcile })
      const touch = (pod: V1Pod): void => {
        if (pod.spec?.nodeName !== undefined) bound.delete(pod.metadata?.uid ?? '')
        else if (isOurs(pod)) queue.add(objectKey(pod))
      }
      // A node that comes or changes may be what waiting pods wait for.
      const retry = (): void => {
        for (const pod of pods.list()) if (isOurs(pod)) queue.add(objectKey(pod))
      }
      await informers.start({ signal })
      pods.on({ added: touch, updated: (_, pod) => touch(pod), deleted: pod => bound.delete(pod.metadata?.uid ?? '') })
      nodes.on({ added: retry, updated: (old, node) => void (placementOf(old) !== placementOf(node) && retry()) })
    }
  }

  async function reconcile(key: string): Promise<void> {
    const pod = pods.get(...splitKey(key))
    if (pod === undefined || !isOurs(pod) || bound.has(pod.metadata?.uid ?? '')) return
    const all = nodes.list()
    const reasons = all.map(node => whyNot(pod, node))
    const [chosen] = all.filter((_, index) => reasons[index] === undefined).sort(byLoad)
    if (chosen === undefined) return markUnschedulable(pod, reasons as string[])
    const { namespace, name, uid } = pod.metadata!
    const target = { apiVersion: 'v1', kind: 'Node', name: chosen.metadata?.name }
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name, uid }, target }
    await client.createSubresource(podResource, { namespace, name: name! }, 'binding', binding)
    if (pods.get(namespace, name!)?.spec?.nodeName === undefined) bound.set(uid!, chosen.metadata?.name ?? '')
  }

  function byLoad(a: V1Node, b: V1Node): number {
    return load(a) - load(b) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1)
  }

  function load({ metadata }: V1Node): number {
    const name = metadata?.name
    const known = pods.list().filter(pod => pod.spec?.nodeName === name && !isFinished(pod)).length
    return known + [...bound.values()].filter(node => node === name).length
  }

  async function markUnschedulable(pod: V1Pod, reasons: readonly string[]): Promise<void> {
    const counted = [...Map.groupBy(reasons, reason => reason)].map(([reason, same]) => `${same.length} ${reason}`)
    const message = `0/${reasons.length} nodes are available: ${counted.length === 0 ? 'no nodes available to schedule pods' : counted.join(', ')}.`
    const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
    if (before?.status === 'False' && before.message === message) return
    const lastTransitionTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime }
    const { namespace, name } = pod.metadata!
    const patch = { status: { conditions: [condition] } }
    await client.patch(podResource, { namespace, name: name! }, patch, { type: 'strategic', subresource: 'status' })
  }
}

/** What about a node matters to where pods go. */
function placementOf({ metadata, spec, status }: V1Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status
  return JSON.stringify([metadata?.labels, spec?.taints, spec?.unschedulable, ready])
}

function isOurs(pod: V1Pod): boolean {
  const { spec, metadata } = pod
  return (
    spec?.nodeName === undefined &&
    (spec?.schedulerName ?? schedulerName) === schedulerName &&
    (spec?.schedulingGates ?? []).length === 0 &&
    metadata?.deletionTimestamp === undefined &&
    !isFinished(pod)
  )
}

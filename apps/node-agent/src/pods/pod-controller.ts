import type { Clock } from '@culvert/clock'
import type { Informer, V1Namespace, V1Pod } from '@culvert/kubernetes'
import { type EnablementSelector, isEligible, namespaceMatches } from '../eligibility.ts'
import { NodeAgentError, reasonOf } from '../errors.ts'
import { createWorkQueue } from '../work-queue.ts'
import { decideDelete, decideUpdate, type PodAction } from './decide.ts'
import type { Enrolment, EnrolmentLog } from './enrolment.ts'
import { isZtunnelPod, podName } from './pod-facts.ts'

export type EventType = 'add' | 'update' | 'delete'

type Item =
  | { readonly kind: 'namespace'; readonly type: EventType; readonly old?: V1Namespace; readonly now: V1Namespace }
  | { readonly kind: 'pod'; readonly type: EventType; readonly old: V1Pod; readonly now: V1Pod }

export interface PodControllerOptions {
  /** The pods of this node. */
  readonly pods: Pick<Informer<V1Pod>, 'get' | 'list' | 'on'>
  readonly namespaces: Pick<Informer<V1Namespace>, 'get' | 'on'>
  readonly selectors: readonly EnablementSelector[]
  readonly excludeNamespaces: readonly string[]
  readonly systemNamespace: string
  readonly enrolment: Enrolment
  /** Each handled event, retries and failures included. */
  readonly onEvent: (type: EventType) => void
  readonly log: EnrolmentLog
  readonly clock?: Clock
}

/** Keeps pods in or out of the mesh as labels and pods change (docs/spec/cni.md 4.5). */
export interface PodController {
  /** Begins to work off what was noted since the controller was made. */
  start(): void
  stop(): Promise<void>
}

export function createPodController(options: PodControllerOptions): PodController {
  const { pods, namespaces, selectors, enrolment, log } = options
  const started = Promise.withResolvers<boolean>()

  const queue = createWorkQueue<Item>({
    ...(options.clock && { clock: options.clock }),
    handle: async item => {
      if (!(await started.promise)) return
      options.onEvent(item.type)
      if (item.kind === 'namespace') handleNamespace(item)
      else await handlePod(item)
    },
    onRetry: (item, error, delay) =>
      log.warn(`${describe(item)} failed and is tried again in ${Math.round(delay)} ms: ${error.message}`)
  })

  const stopListening = [
    namespaces.on({
      added: now => queue.add({ kind: 'namespace', type: 'add', now }),
      updated: (old, now) => queue.add({ kind: 'namespace', type: 'update', old, now }),
      deleted: now => queue.add({ kind: 'namespace', type: 'delete', now })
    }),
    pods.on({
      added: now => queue.add({ kind: 'pod', type: 'add', old: now, now }),
      updated: (old, now) => queue.add({ kind: 'pod', type: 'update', old, now }),
      deleted: now => queue.add({ kind: 'pod', type: 'delete', old: now, now })
    })
  ]

  function handleNamespace({ type, old, now }: Item & { kind: 'namespace' }): void {
    if (type === 'delete') return
    const matches = (namespace: V1Namespace): boolean => namespaceMatches(namespace.metadata?.labels ?? {}, selectors)
    if (old !== undefined && matches(old) === matches(now)) return
    for (const pod of pods.list()) {
      if (pod.metadata?.namespace !== now.metadata?.name || isZtunnelPod(pod, options.systemNamespace)) continue
      queue.add({ kind: 'pod', type: 'update', old: pod, now: pod })
    }
  }

  async function handlePod({ type, old, now }: Item & { kind: 'pod' }): Promise<void> {
    // New pods come through the plugin, existing ones through their namespace's event.
    if (type === 'add') return
    const { namespace, name } = now.metadata!
    const labels = namespaces.get(undefined, namespace!)?.metadata
    if (labels === undefined) return log.debug(`${podName(now)}: its namespace is not known, the event is dropped`)
    const eligible = (pod: V1Pod): boolean => isEligible(pod, labels.labels ?? {}, selectors)
    if (type === 'delete') return await act(now, decideDelete(now, eligible(now)))
    const current = pods.get(namespace, name!)
    // Gone, or a successor of the same name, which has events of its own.
    if (current === undefined || current.metadata?.uid !== now.metadata?.uid) return
    const want = eligible(current) && !options.excludeNamespaces.includes(namespace!)
    await act(current, decideUpdate({ old, current, want }))
  }

  async function act(pod: V1Pod, action: PodAction): Promise<void> {
    switch (action.kind) {
      case 'nothing':
        return
      case 'readdress':
        return await enrolment.addAddresses(pod, action.ips)
      case 'remove':
        return await enrolment.remove(action.pod, { deleted: action.deleted })
      case 'add':
        try {
          return await enrolment.add(pod, action.ips)
        } catch (error) {
          if (!(error instanceof NodeAgentError) || error.retryable) throw error
          log.warn(`pod ${podName(pod)} stays out of the mesh until it changes: ${reasonOf(error)}`)
        }
    }
  }

  return {
    start: () => started.resolve(true),
    async stop() {
      for (const stop of stopListening) stop()
      started.resolve(false)
      await queue.stop()
    }
  }
}

function describe(item: Item): string {
  return item.kind === 'pod'
    ? `${item.type} of pod ${podName(item.now)}`
    : `${item.type} of namespace ${item.now.metadata?.name}`
}

import { createInformer, type KubernetesClient, pods, type V1Pod } from '@culvert/kubernetes'
import path from 'node:path'
import type { ReportProgress } from '../cluster/progress.ts'
import type { Kubelet } from '../api-server/index.ts'
import type { NetworkPlan } from '../fabric/network-plan.ts'
import type { LabNode } from '../node/node.ts'
import { apiKubelet } from './api-kubelet.ts'
import { createCniChain } from './cni-chain.ts'
import { createEventRecorder } from './event-recorder.ts'
import type { ImageCatalogue } from './image-catalogue.ts'
import type { KubeletContext } from './kubelet-context.ts'
import { registerNode } from './node-object.ts'
import type { WatchedSources } from './object-sources.ts'
import { createPodCgroups } from './pod-cgroups.ts'
import { type PodWorker, startPodWorker } from './pod-worker.ts'

export interface KubeletOptions {
  readonly node: LabNode
  readonly plan: NetworkPlan
  readonly client: KubernetesClient
  readonly images: ImageCatalogue
  readonly sources: WatchedSources
  /** The cluster's cgroup on the machine. */
  readonly cgroup: string
  readonly logDirectory: string
  readonly report: ReportProgress
  /** Stops watching and writing. Pods are left as they are: their processes end with the node. */
  readonly signal: AbortSignal
  readonly onError: (error: unknown) => void
}

/** Runs the pods that the API assigns to one node. */
export interface NodeKubelet {
  /** For the API server. */
  readonly api: Kubelet
  find(namespace: string, name: string): PodWorker | undefined
}

export async function startKubelet(options: KubeletOptions): Promise<NodeKubelet> {
  const { node, client, signal, onError } = options
  const context: KubeletContext = {
    node,
    plan: options.plan,
    client,
    images: options.images,
    sources: options.sources,
    chain: createCniChain(node),
    cgroups: createPodCgroups(path.join(options.cgroup, node.name)),
    events: createEventRecorder(client, node.name, onError),
    logDirectory: options.logDirectory,
    backOff: { first: 10_000, last: 300_000 },
    report: options.report,
    signal,
    onError
  }
  const workers = new Map<string, PodWorker>()

  const graceOf = (pod: V1Pod): number =>
    (pod.metadata?.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000

  const apply = (pod: V1Pod): void => {
    const uid = pod.metadata!.uid!
    let worker = workers.get(uid)
    if (worker === undefined) {
      worker = startPodWorker(context, pod)
      workers.set(uid, worker)
      // Kept after its end for its logs; `deleted` takes it out.
    } else worker.update(pod)
    if (pod.metadata?.deletionTimestamp) worker.terminate(graceOf(pod))
  }
  const remove = (pod: V1Pod): void => {
    const uid = pod.metadata!.uid!
    workers.get(uid)?.terminate(0)
    workers.delete(uid)
  }

  await registerNode(client, node)
  const informer = createInformer(client, pods, { fieldSelector: `spec.nodeName=${node.name}`, onError })
  informer.on({
    added: apply,
    updated: (old, now) => {
      // A pod deleted and made anew while the watch was interrupted looks like an update.
      if (old.metadata!.uid !== now.metadata!.uid) remove(old)
      apply(now)
    },
    deleted: remove
  })
  await informer.start({ signal })
  return {
    api: apiKubelet(uid => workers.get(uid)),
    find: (namespace, name) =>
      [...workers.values()].find(({ pod }) => pod.metadata!.namespace === namespace && pod.metadata!.name === name)
  }
}

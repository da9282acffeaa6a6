import {
  configMaps,
  createInformer,
  daemonSets,
  deployments,
  endpointSlices,
  type Informer,
  type KubernetesClient,
  type KubernetesObject,
  namespaces,
  nodes,
  pods,
  type Resource,
  replicaSets,
  serviceAccounts,
  services,
  type V1ConfigMap,
  type V1DaemonSet,
  type V1Deployment,
  type V1EndpointSlice,
  type V1Namespace,
  type V1Node,
  type V1Pod,
  type V1ReplicaSet,
  type V1ServiceAccount,
  type V1Service
} from '@culvert/kubernetes'

interface Kinds {
  configMaps: V1ConfigMap
  daemonSets: V1DaemonSet
  deployments: V1Deployment
  endpointSlices: V1EndpointSlice
  namespaces: V1Namespace
  nodes: V1Node
  pods: V1Pod
  replicaSets: V1ReplicaSet
  serviceAccounts: V1ServiceAccount
  services: V1Service
}

const resources: { readonly [K in keyof Kinds]: Resource<Kinds[K]> } = {
  configMaps,
  daemonSets,
  deployments,
  endpointSlices,
  namespaces,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
  services
}

/** One informer per kind for all controllers of a process, made when first asked for. */
export interface Informers {
  of<K extends keyof Kinds>(kind: K): Informer<Kinds[K]>
  /** Starts those that were asked for; resolves when all are in sync. */
  start(options: { signal: AbortSignal }): Promise<void>
}

export function createInformers(client: KubernetesClient): Informers {
  const informers = new Map<keyof Kinds, { informer: Informer<KubernetesObject>; started: Promise<void> | undefined }>()
  return {
    of(kind) {
      let known = informers.get(kind)
      if (known === undefined) {
        const informer = createInformer(client, resources[kind] as Resource<KubernetesObject>)
        known = { informer, started: undefined }
        informers.set(kind, known)
      }
      return known.informer as never
    },
    async start(options) {
      await Promise.all(
        [...informers.values()].map(known => {
          known.started ??= known.informer.start(options)
          return known.started
        })
      )
    }
  }
}

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
  services
} from '@culvert/kubernetes'

const resources = {
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
} as const

type Kind = keyof typeof resources
type ObjectOf<K extends Kind> = (typeof resources)[K] extends Resource<infer T> ? T : never

/** One informer per kind for all controllers of a process, made when first asked for. */
export interface Informers {
  of<K extends Kind>(kind: K): Informer<ObjectOf<K>>
  /** Starts those that were asked for; resolves when all are in sync. */
  start(options: { signal: AbortSignal }): Promise<void>
}

export function createInformers(client: KubernetesClient): Informers {
  const informers = new Map<Kind, { informer: Informer<KubernetesObject>; started: Promise<void> | undefined }>()
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

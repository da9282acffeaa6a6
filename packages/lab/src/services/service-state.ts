import {
  createInformer,
  endpointSlices,
  type KubernetesClient,
  type KubernetesError,
  type KubernetesObject,
  type Resource,
  services,
  type V1EndpointSlice,
  type V1Service
} from '@culvert/kubernetes'

/** The cluster's services and their endpoints, as the proxies and DNS see them. */
export interface ServiceState {
  services(): readonly V1Service[]
  /** The slices of one service. */
  slices(namespace: string, service: string): readonly V1EndpointSlice[]
  /** Called soon after anything changed. Returns the way to stop. */
  onChange(listener: () => void): () => void
}

const serviceLabel = 'kubernetes.io/service-name'

/** Changes that come together are told once. */
const settleMs = 10

export async function watchServices(
  client: KubernetesClient,
  options: { signal: AbortSignal; onError: (error: KubernetesError) => void }
): Promise<ServiceState> {
  const listeners = new Set<() => void>()
  let pending = false
  const changed = (): void => {
    if (pending) return
    pending = true
    setTimeout(() => {
      pending = false
      if (options.signal.aborted) return
      for (const listener of listeners) listener()
    }, settleMs)
  }
  const watch = <T extends KubernetesObject>(resource: Resource<T>) => {
    const informer = createInformer(client, resource, { onError: options.onError })
    informer.on({ added: changed, updated: changed, deleted: changed })
    return informer
  }
  const serviceInformer = watch(services)
  const sliceInformer = watch(endpointSlices)
  await Promise.all([
    serviceInformer.start({ signal: options.signal }),
    sliceInformer.start({ signal: options.signal })
  ])
  return {
    services: () => serviceInformer.list(),
    slices: (namespace, service) =>
      sliceInformer
        .list()
        .filter(({ metadata }) => metadata?.namespace === namespace && metadata.labels?.[serviceLabel] === service),
    onChange: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

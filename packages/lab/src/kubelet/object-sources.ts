import {
  configMaps,
  createInformer,
  type KubernetesClient,
  type KubernetesError,
  type KubernetesObject,
  secrets,
  type V1ConfigMap,
  type V1Secret
} from '@culvert/kubernetes'

/** The objects that pods' variables and volumes are made of. */
export interface ObjectSources {
  configMap(namespace: string, name: string): V1ConfigMap | undefined
  secret(namespace: string, name: string): V1Secret | undefined
}

export interface WatchedSources extends ObjectSources {
  /** Called with the namespace whenever one of its ConfigMaps or Secrets comes, changes or goes. Returns the way to stop. */
  onChange(listener: (namespace: string) => void): () => void
  /** Resolves with the next change in the namespace, or when the signal aborts. */
  changeIn(namespace: string, signal: AbortSignal): Promise<void>
}

/** One watch for all nodes of a cluster. */
export async function watchSources(
  client: KubernetesClient,
  options: { signal: AbortSignal; onError: (error: KubernetesError) => void }
): Promise<WatchedSources> {
  const { signal, onError } = options
  const configMapInformer = createInformer(client, configMaps, { onError })
  const secretInformer = createInformer(client, secrets, { onError })
  const listeners = new Set<(namespace: string) => void>()
  const changed = (object: KubernetesObject): void => {
    for (const listener of listeners) listener(object.metadata?.namespace ?? '')
  }
  const handler = {
    added: changed,
    updated: (_: KubernetesObject, now: KubernetesObject) => changed(now),
    deleted: changed
  }
  await Promise.all([configMapInformer.start({ signal }), secretInformer.start({ signal })])
  configMapInformer.on(handler)
  secretInformer.on(handler)
  const onChange = (listener: (namespace: string) => void): (() => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
  return {
    configMap: (namespace, name) => configMapInformer.get(namespace, name),
    secret: (namespace, name) => secretInformer.get(namespace, name),
    onChange,
    changeIn: (wanted, signal) =>
      new Promise(resolve => {
        const done = (): void => {
          stop()
          signal.removeEventListener('abort', done)
          resolve()
        }
        const stop = onChange(namespace => {
          if (namespace === wanted) done()
        })
        signal.addEventListener('abort', done)
      })
  }
}

import type { V1Pod, V1ServiceAccount, V1Volume } from '@kubernetes/client-node'
import { randomSuffix } from '../object-metadata.ts'
import { isFields, type KubeObject } from '../objects.ts'
import { forbidden } from '../status.ts'
import type { Store } from '../store.ts'

/** How long a new pod waits for its account, which a controller makes just after the namespace. */
const patienceMs = 2_000

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
/** Kubernetes' own: an hour and seven seconds, by which its tokens are told from those users ask for. */
const tokenSeconds = 3607

/** Gives a new pod its service account, and its containers the account's token. */
export async function admitServiceAccount(object: KubeObject, store: Store, signal: AbortSignal): Promise<void> {
  const { spec, metadata } = object as unknown as V1Pod
  if (!isFields(spec) || metadata?.namespace === undefined) return
  const name = spec.serviceAccountName ?? spec.serviceAccount ?? 'default'
  spec.serviceAccountName = name
  spec.serviceAccount = name
  const account = await waitFor(store, metadata.namespace, name, signal)
  if (account === undefined) {
    // A namespace that is missing or going has a better answer of its own.
    const namespace = store.get('/namespaces', undefined, metadata.namespace)
    if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return
    const why = `error looking up service account ${metadata.namespace}/${name}: serviceaccount "${name}" not found`
    throw forbidden({ group: '', plural: 'pods' }, metadata.name ?? metadata.generateName ?? '', why)
  }
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec)
  if (spec.imagePullSecrets === undefined && account.imagePullSecrets !== undefined) {
    spec.imagePullSecrets = structuredClone(account.imagePullSecrets)
  }
}

function waitFor(
  store: Store,
  namespace: string,
  name: string,
  signal: AbortSignal
): Promise<V1ServiceAccount | undefined> {
  const find = () => store.get('/serviceaccounts', namespace, name) as unknown as V1ServiceAccount | undefined
  const found = find()
  if (found !== undefined || store.get('/namespaces', undefined, namespace) === undefined) return Promise.resolve(found)
  const { promise, resolve } = Promise.withResolvers<void>()
  const unsubscribe = store.subscribe('/serviceaccounts', () => {
    if (find() !== undefined) resolve()
  })
  const timer = setTimeout(resolve, patienceMs)
  const stop = () => resolve()
  signal.addEventListener('abort', stop)
  return promise.then(() => {
    unsubscribe()
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    return find()
  })
}

function mountToken(spec: NonNullable<V1Pod['spec']>): void {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  const without = containers.filter(
    container => isFields(container) && !(container.volumeMounts ?? []).some(mount => mount.mountPath === mountPath)
  )
  if (without.length === 0) return
  const name = `kube-api-access-${randomSuffix()}`
  for (const container of without) {
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, mountPath, readOnly: true }]
  }
  spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)]
}

function tokenVolume(name: string): V1Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }]
          }
        }
      ]
    }
  }
}

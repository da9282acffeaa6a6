import {
  configMaps,
  createInformer,
  type Informer,
  type KubernetesClient,
  KubernetesError,
  type V1ConfigMap,
  type V1Namespace
} from '@culvert/kubernetes'
import type { Logger } from '@culvert/telemetry'
import { createWorkQueue } from '../work-queue.ts'

/** One ConfigMap that every namespace gets. Only `key` is ours; other keys are left alone. */
export interface PublishedFile {
  readonly name: string
  readonly key: string
  readonly content: () => string
}

export interface RootPublisherOptions {
  readonly client: KubernetesClient
  readonly namespaces: Informer<V1Namespace>
  readonly files: readonly PublishedFile[]
  /** Only one of several replicas writes. */
  readonly leads: () => boolean
  readonly log: Logger
  readonly signal: AbortSignal
}

export interface RootPublisher {
  /** The content changed: look at every namespace again. */
  refresh(): void
}

const skipped = new Set(['kube-public', 'kube-node-lease', 'local-path-storage'])
const label = { 'istio.io/config': 'true' }

export type ConfigMapStep =
  | { readonly kind: 'keep' }
  | { readonly kind: 'create'; readonly object: V1ConfigMap }
  | { readonly kind: 'patch'; readonly patch: V1ConfigMap }

/** What brings one namespace's ConfigMap to where it should be. */
function configMapStep(
  namespace: V1Namespace,
  existing: V1ConfigMap | undefined,
  file: { readonly name: string; readonly key: string; readonly content: string }
): ConfigMapStep {
  const name = namespace.metadata?.name ?? ''
  if (skipped.has(name) || namespace.status?.phase === 'Terminating' || namespace.metadata?.deletionTimestamp) {
    return { kind: 'keep' }
  }
  const data = { [file.key]: file.content }
  if (existing === undefined) {
    return { kind: 'create', object: { metadata: { name: file.name, namespace: name, labels: label }, data } }
  }
  return existing.data?.[file.key] === file.content ? { kind: 'keep' } : { kind: 'patch', patch: { data } }
}

// A namespace that is going away, or that somebody else was faster in, needs nothing from us.
function isIgnorable(error: unknown): boolean {
  const code = error instanceof KubernetesError ? error.code : undefined
  return code === 'KUBERNETES_ALREADY_EXISTS' || code === 'KUBERNETES_NOT_FOUND' || code === 'KUBERNETES_FORBIDDEN'
}

/** Keeps the mesh root where pods can mount it (docs/spec/identity-ca.md 3.7). */
export async function startRootPublisher(options: RootPublisherOptions): Promise<RootPublisher> {
  const { client, namespaces, files, leads, log, signal } = options
  const informers = new Map<string, Informer<V1ConfigMap>>()

  async function write(namespace: V1Namespace, file: PublishedFile): Promise<void> {
    const name = namespace.metadata?.name ?? ''
    const existing = informers.get(file.name)?.get(name, file.name)
    const step = configMapStep(namespace, existing, { ...file, content: file.content() })
    if (step.kind === 'create') await client.create(configMaps, step.object, { signal })
    else if (step.kind === 'patch') {
      await client.patch(configMaps, { namespace: name, name: file.name }, step.patch, { type: 'merge', signal })
    }
  }

  const queue = createWorkQueue({
    workers: 8,
    attempts: 5,
    signal,
    async visit(name) {
      const namespace = namespaces.get(undefined, name)
      if (namespace === undefined || !leads()) return
      for (const file of files) {
        await write(namespace, file).catch(error => {
          if (!isIgnorable(error)) throw error
        })
      }
    },
    onError: (name, error) => log.warn(`cannot write the mesh root into namespace ${name}: ${error.message}`)
  })
  const enqueue = (name: string | undefined): void => queue.add(name ?? '')

  for (const file of files) {
    const informer = createInformer(client, configMaps, {
      fieldSelector: `metadata.name=${file.name}`,
      onError: error => log.warn(`ConfigMaps ${file.name}: ${error.message}`)
    })
    informers.set(file.name, informer)
  }
  await Promise.all([...informers.values()].map(informer => informer.start({ signal })))
  for (const informer of informers.values()) {
    informer.on({
      // By another's hand, in between our look and our write.
      added: object => enqueue(object.metadata?.namespace),
      updated: (_, now) => enqueue(now.metadata?.namespace),
      deleted: object => enqueue(object.metadata?.namespace)
    })
  }
  namespaces.on({
    added: namespace => enqueue(namespace.metadata?.name),
    updated: (_, now) => enqueue(now.metadata?.name)
  })
  return {
    refresh() {
      for (const namespace of namespaces.list()) enqueue(namespace.metadata?.name)
    }
  }
}

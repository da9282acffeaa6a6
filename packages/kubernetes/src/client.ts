import type { KubernetesClient, ListOptions, PatchOptions, RawRequest } from './client-types.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { createResourceFinder } from './discover-resource.ts'
import { KubernetesError } from './errors.ts'
import { createTransport, readBody, transportError } from './http.ts'
import type { KubernetesList, KubernetesObject, ObjectRef, V1ObjectMeta } from './objects.ts'
import { apiVersionOf, collectionPath, objectPath, type Resource } from './resource.ts'
import { watchEvents } from './watch.ts'

const requestTimeout = 30_000

const patchTypes: Record<PatchOptions['type'], string> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  // A YAML type by its name; JSON is YAML, and every API server takes it.
  apply: 'application/apply-patch+yaml'
}

interface RawList {
  items?: KubernetesObject[]
  metadata?: { resourceVersion?: string; continue?: string }
}

const selectors = ({ labelSelector, fieldSelector }: ListOptions) => ({ labelSelector, fieldSelector })

/** Where an object goes by its own metadata. */
function refOf(res: Resource, object: KubernetesObject): ObjectRef {
  const { name, namespace } = object.metadata ?? {}
  if (!name) throw new KubernetesError('KUBERNETES_INVALID', `a ${res.kind} to write has no metadata.name`)
  return { name, namespace: res.namespaced ? (namespace ?? 'default') : undefined }
}

// Items of a list come without the kind that the list itself names; readers get whole objects.
function withKind<T extends KubernetesObject>(res: Resource<T>, object: KubernetesObject): T {
  return { apiVersion: apiVersionOf(res), kind: res.kind, ...object } as T
}

/**
 * A client for one cluster. Only this and the types come from here: the library's generated classes take 300 ms to
 * import and hold every API there is.
 */
export function createKubernetesClient(access: ClusterAccess): KubernetesClient {
  const transport = createTransport(access)

  async function request<Answer>(raw: RawRequest): Promise<Answer> {
    const deadline = AbortSignal.timeout(raw.timeout ?? requestTimeout)
    const signal = raw.signal === undefined ? deadline : AbortSignal.any([raw.signal, deadline])
    const what = `${raw.method} ${raw.path}`
    try {
      const response = await transport.send({ ...raw, signal })
      const text = await readBody(response)
      return (text === '' ? undefined : JSON.parse(text)) as Answer
    } catch (error) {
      if (deadline.aborted && !raw.signal?.aborted) {
        const seconds = (raw.timeout ?? requestTimeout) / 1000
        throw new KubernetesError('KUBERNETES_TIMEOUT', `${what}: no answer within ${seconds} s`, { cause: error })
      }
      if (error instanceof SyntaxError) {
        throw new KubernetesError('KUBERNETES_BAD_RESPONSE', `${what}: the answer is not JSON`, { cause: error })
      }
      throw transportError(error, what, signal)
    }
  }

  const finder = createResourceFinder(path => request({ method: 'GET', path }))

  const client: KubernetesClient = {
    server: transport.server,
    request,
    close: () => transport.close(),

    async get(res, ref, options = {}) {
      try {
        return await request({ method: 'GET', path: objectPath(res, ref), signal: options.signal })
      } catch (error) {
        if (error instanceof KubernetesError && error.status === 404) return undefined
        throw error
      }
    },

    async list<T extends KubernetesObject>(res: Resource<T>, options: ListOptions = {}): Promise<KubernetesList<T>> {
      const items: T[] = []
      const path = collectionPath(res, options.namespace)
      let next: string | undefined
      for (;;) {
        const query = { ...selectors(options), continue: next }
        const page = await request<RawList>({ method: 'GET', path, query, signal: options.signal })
        for (const item of page.items ?? []) items.push(withKind(res, item))
        next = page.metadata?.continue
        if (!next) return { items, resourceVersion: page.metadata?.resourceVersion ?? '' }
      }
    },

    create(res, object, options = {}) {
      const namespace = res.namespaced ? (object.metadata?.namespace ?? 'default') : undefined
      const query = { fieldManager: options.fieldManager }
      const body = withKind(res, object)
      return request({ method: 'POST', path: collectionPath(res, namespace), query, body, signal: options.signal })
    },

    replace(res, object, options = {}) {
      const path = objectPath(res, refOf(res, object), options.subresource)
      const query = { fieldManager: options.fieldManager }
      return request({ method: 'PUT', path, query, body: withKind(res, object), signal: options.signal })
    },

    patch(res, ref, patch, options) {
      const apply = options.type === 'apply'
      return request({
        method: 'PATCH',
        path: objectPath(res, ref, options.subresource),
        query: {
          fieldManager: options.fieldManager ?? (apply ? 'culvert' : undefined),
          force: apply && options.force ? true : undefined
        },
        body: apply ? withKind(res, patch as KubernetesObject) : patch,
        contentType: patchTypes[options.type],
        signal: options.signal
      })
    },

    async delete(res, ref, options = {}) {
      const { uid, gracePeriodSeconds, propagationPolicy } = options
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        ...(uid === undefined ? {} : { preconditions: { uid } }),
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
        ...(propagationPolicy === undefined ? {} : { propagationPolicy })
      }
      try {
        await request({ method: 'DELETE', path: objectPath(res, ref), body })
        return true
      } catch (error) {
        if (error instanceof KubernetesError && error.status === 404) return false
        throw error
      }
    },

    createSubresource(res, ref, subresource, body) {
      return request({ method: 'POST', path: objectPath(res, ref, subresource), body })
    },

    async *watch(res, options = {}) {
      const query = {
        ...selectors(options),
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: options.resourceVersion,
        timeoutSeconds: options.timeoutSeconds
      }
      const path = collectionPath(res, options.namespace)
      const response = await transport.send({ method: 'GET', path, query, signal: options.signal })
      yield* watchEvents(response, options.signal)
    },

    async applyManifest(manifest, options = {}) {
      const res = (await finder.find(manifest)) as Resource<typeof manifest>
      const fieldManager = options.fieldManager ?? 'culvert'
      // managedFields must be absent from an apply; a resourceVersion would make it conditional on a stale read.
      const { managedFields: _, resourceVersion: __, ...metadata }: V1ObjectMeta = manifest.metadata ?? {}
      return client.patch(
        res,
        refOf(res, manifest),
        { ...manifest, metadata },
        { type: 'apply', fieldManager, force: true }
      )
    }
  }
  return client
}

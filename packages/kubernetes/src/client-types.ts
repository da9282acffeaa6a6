import type { KubernetesList, KubernetesObject, ObjectRef, V1ObjectMeta } from './objects.ts'
import type { Resource } from './resource.ts'

export interface ListOptions {
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface WatchOptions extends ListOptions {
  readonly resourceVersion?: string | undefined
  /** The server ends the watch after this long. */
  readonly timeoutSeconds?: number | undefined
}

export type WatchEvent<T extends KubernetesObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly object: { readonly metadata: V1ObjectMeta } }

export interface DeleteOptions {
  /** Deletes only this incarnation. */
  readonly uid?: string | undefined
  readonly gracePeriodSeconds?: number | undefined
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground' | undefined
}

export interface WriteOptions {
  readonly subresource?: 'status' | 'scale' | (string & {}) | undefined
  readonly fieldManager?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface PatchOptions extends WriteOptions {
  readonly type: 'merge' | 'json' | 'strategic' | 'apply'
  /** Takes fields over from other managers (`apply` only). */
  readonly force?: boolean | undefined
}

export interface RawRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly body?: unknown
  readonly contentType?: string
  readonly signal?: AbortSignal | undefined
  /** Milliseconds until the whole answer must be there; default 30,000. */
  readonly timeout?: number
}

export interface KubernetesClient {
  /** The address of the API server. */
  readonly server: string
  get<T extends KubernetesObject>(
    res: Resource<T>,
    ref: ObjectRef,
    options?: { signal?: AbortSignal }
  ): Promise<T | undefined>
  list<T extends KubernetesObject>(res: Resource<T>, options?: ListOptions): Promise<KubernetesList<T>>
  create<T extends KubernetesObject>(res: Resource<T>, object: T, options?: WriteOptions): Promise<T>
  replace<T extends KubernetesObject>(res: Resource<T>, object: T, options?: WriteOptions): Promise<T>
  patch<T extends KubernetesObject>(res: Resource<T>, ref: ObjectRef, patch: unknown, options: PatchOptions): Promise<T>
  /** Resolves with false when there was nothing to delete. */
  delete<T extends KubernetesObject>(res: Resource<T>, ref: ObjectRef, options?: DeleteOptions): Promise<boolean>
  /** POST to a subresource, such as `token` of a service account or `eviction` of a pod. */
  createSubresource<Answer>(res: Resource, ref: ObjectRef, subresource: string, body: unknown): Promise<Answer>
  /** Events as they come; ends when the server ends the watch. An ERROR event is thrown as a KubernetesError. */
  watch<T extends KubernetesObject>(res: Resource<T>, options?: WatchOptions): AsyncIterable<WatchEvent<T>>
  /** Creates or updates an object of any kind, as read from YAML, by server-side apply. */
  applyManifest<T extends KubernetesObject>(manifest: T, options?: { fieldManager?: string }): Promise<T>
  /** One JSON request to any path of the API. */
  request<Answer>(request: RawRequest): Promise<Answer>
  /** Closes idle connections; watches end through their signal. */
  close(): void
}

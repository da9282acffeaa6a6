import type { KubernetesObject, ObjectRef } from './objects.ts'

/** Where objects of one kind live in the API. `T` is what they decode to; nothing of it exists at run time. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
  /** Never present; ties `T` to the value so that `client.get(pods, …)` is typed. */
  readonly objectType?: T
}

export function resource<T extends KubernetesObject>(
  group: string,
  version: string,
  plural: string,
  kind: string,
  scope: 'namespaced' | 'cluster' = 'namespaced'
): Resource<T> {
  return { group, version, plural, kind, namespaced: scope === 'namespaced' }
}

export function apiVersionOf(res: Pick<Resource, 'group' | 'version'>): string {
  return res.group === '' ? res.version : `${res.group}/${res.version}`
}

/** `/api/v1/namespaces/shop/pods`; without a namespace, the collection over all of them. */
export function collectionPath(res: Resource, namespace?: string): string {
  const root = res.group === '' ? `/api/${res.version}` : `/apis/${res.group}/${res.version}`
  if (!res.namespaced || namespace === undefined) return `${root}/${res.plural}`
  return `${root}/namespaces/${encodeURIComponent(namespace)}/${res.plural}`
}

export function objectPath(res: Resource, ref: ObjectRef, subresource?: string): string {
  const path = `${collectionPath(res, ref.namespace)}/${encodeURIComponent(ref.name)}`
  return subresource === undefined ? path : `${path}/${subresource}`
}

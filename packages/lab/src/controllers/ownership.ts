import { apiVersionOf, type KubernetesObject, type Resource, type V1OwnerReference } from '@culvert/kubernetes'

export function controllerOf(object: KubernetesObject): V1OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find(({ controller }) => controller === true)
}

/** The reference by which an owner says: this is mine, delete it with me. */
export function controllerReference(owner: KubernetesObject, resource: Resource): V1OwnerReference {
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true
  }
}

/** `namespace/name` of an object's controller, if that is of this kind. */
export function ownerKey(object: KubernetesObject, kind: string): string | undefined {
  const owner = controllerOf(object)
  return owner?.kind === kind ? `${object.metadata?.namespace}/${owner.name}` : undefined
}

export function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}

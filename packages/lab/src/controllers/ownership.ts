import {
  apiVersionOf,
  type Informer,
  type KubernetesObject,
  objectKey,
  type Resource,
  type V1OwnerReference
} from '@culvert/kubernetes'
import type { WorkQueue } from './work-queue.ts'

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
function ownerKey(object: KubernetesObject, kind: string): string | undefined {
  const owner = controllerOf(object)
  return owner?.kind === kind ? `${object.metadata?.namespace}/${owner.name}` : undefined
}

/** Queues owners of this kind that come or change, and those of whom a dependent comes, changes or goes. */
export function queueOwners<Owner extends KubernetesObject, Dependent extends KubernetesObject>(
  queue: Pick<WorkQueue, 'add'>,
  kind: string,
  { owners, dependents }: { readonly owners: Informer<Owner>; readonly dependents: Informer<Dependent> }
): void {
  const touch = (dependent: Dependent): void => {
    const key = ownerKey(dependent, kind)
    if (key !== undefined) queue.add(key)
  }
  owners.on({ added: owner => queue.add(objectKey(owner)), updated: (_, owner) => queue.add(objectKey(owner)) })
  dependents.on({ added: touch, updated: (_, dependent) => touch(dependent), deleted: touch })
}

export function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}

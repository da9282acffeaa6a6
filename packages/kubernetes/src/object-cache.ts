import { objectKey } from './object-facts.ts'
import type { KubernetesObject } from './objects.ts'

export interface ObjectCache<T extends KubernetesObject> {
  put(object: T): void
  remove(object: T): void
  /** Makes the cache equal to a list, reporting the differences. */
  replaceAll(objects: readonly T[]): void
  get(namespace: string | undefined, name: string): T | undefined
  list(): T[]
}

/** The objects of one kind by namespace and name, reporting what really changed. */
export function createObjectCache<T extends KubernetesObject>(options: {
  added: (object: T) => void
  updated: (old: T, now: T) => void
  deleted: (object: T) => void
}): ObjectCache<T> {
  const objects = new Map<string, T>()

  // Bookkeeping of server-side apply: often half of an object's size, and of no use to a reader.
  function keep(object: T): T {
    delete object.metadata?.managedFields
    return object
  }
  const sameIncarnation = (a: T, b: T) => a.metadata?.uid === b.metadata?.uid

  const cache: ObjectCache<T> = {
    put(given) {
      const object = keep(given)
      const key = objectKey(object)
      const old = objects.get(key)
      // A relist repeats what is known; an equal version is an equal object.
      if (old !== undefined && sameIncarnation(old, object)) {
        if (old.metadata?.resourceVersion === object.metadata?.resourceVersion) return
        objects.set(key, object)
        return options.updated(old, object)
      }
      if (old !== undefined) {
        // Deleted and created again while the watch was down: two things happened, so two are reported.
        objects.delete(key)
        options.deleted(old)
      }
      objects.set(key, object)
      options.added(object)
    },
    remove(object) {
      const key = objectKey(object)
      const old = objects.get(key)
      if (old === undefined || !objects.delete(key)) return
      options.deleted(keep(object))
    },
    replaceAll(list) {
      const listed = new Set(list.map(objectKey))
      for (const [key, old] of objects) {
        if (listed.has(key)) continue
        objects.delete(key)
        options.deleted(old)
      }
      for (const object of list) cache.put(object)
    },
    get: (namespace, name) => objects.get(namespace === undefined || namespace === '' ? name : `${namespace}/${name}`),
    list: () => [...objects.values()]
  }
  return cache
}

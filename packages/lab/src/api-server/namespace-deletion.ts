import type { KubeObject } from './objects.ts'
import type { Operations } from './operations.ts'
import type { Registry } from './registry.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { StatusError } from './status.ts'
import type { Store } from './store.ts'

const namespacesKey = '/namespaces'

/**
 * Empties namespaces that are being deleted and lets them go when nothing is left. In Kubernetes a controller does this;
 * here it sits beside the store, which knows every kind without asking.
 */
export function deleteNamespaceContents(o: { store: Store; registry: Registry; operations: Operations }): void {
  const { store, registry, operations } = o
  const waiting = new Set<string>()

  /** After the change that led here is told to everyone: what follows are changes of their own. */
  function schedule(name: string): void {
    if (waiting.has(name)) return
    waiting.add(name)
    setImmediate(() => {
      waiting.delete(name)
      empty(name)
    })
  }

  function empty(name: string): void {
    const namespace = store.get(namespacesKey, undefined, name)
    if (namespace?.metadata.deletionTimestamp === undefined) return
    let left = 0
    for (const definition of storedKinds(registry)) {
      if (!definition.namespaced) continue
      for (const { metadata } of store.list(definition.storageKey, name)) {
        if (metadata.deletionTimestamp === undefined) tryRemove(operations, definition, name, metadata.name)
      }
      left += store.list(definition.storageKey, name).length
    }
    if (left > 0) return
    const definition = registry.find('', 'v1', 'namespaces')!
    const withoutFinalizer = (current: KubeObject): KubeObject => ({ ...current, spec: { finalizers: [] } })
    operations.update({ definition, namespace: undefined, name }, withoutFinalizer, { subresource: 'finalize' })
  }

  store.subscribe(undefined, ({ type, storageKey, object }) => {
    const { name, namespace, deletionTimestamp } = object.metadata
    if (storageKey === namespacesKey) {
      if (type !== 'DELETED' && deletionTimestamp !== undefined) schedule(name)
    } else if (type === 'DELETED' && namespace !== undefined) {
      const home = store.get(namespacesKey, undefined, namespace)
      if (home?.metadata.deletionTimestamp !== undefined) schedule(namespace)
    }
  })
}

/** One definition for each place objects are kept in, whatever versions they are served in. */
export function storedKinds(registry: Registry): ResourceDefinition[] {
  return [...new Map(registry.all().map(one => [one.storageKey, one])).values()]
}

function tryRemove(operations: Operations, definition: ResourceDefinition, namespace: string, name: string): void {
  try {
    operations.remove({ definition, namespace, name }, {})
  } catch (error) {
    // Deleting one object can take others with it.
    if (!(error instanceof StatusError) || error.code !== 404) throw error
  }
}

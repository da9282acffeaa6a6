import { storedKinds } from './namespace-deletion.ts'
import type { KubeObject, OwnerReference } from './objects.ts'
import type { Operations, Target } from './operations.ts'
import type { Registry } from './registry.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { StatusError } from './status.ts'
import type { Store } from './store.ts'

const orphan = 'orphan'
const foreground = 'foregroundDeletion'

interface Dependent {
  readonly definition: ResourceDefinition
  readonly object: KubeObject
}

/**
 * Deletes objects whose owners are gone, and completes deletions that orphan their dependents or wait for them. In
 * Kubernetes a controller does this by watching everything; here it sits beside the store.
 */
export function collectGarbage(o: { store: Store; registry: Registry; operations: Operations }): void {
  const { store, registry, operations } = o
  /** Objects by the UID of each of their owners. */
  const dependents = new Map<string, Map<string, { storageKey: string; namespace: string | undefined; name: string }>>()
  const queue = new Set<() => void>()

  function schedule(work: () => void): void {
    if (queue.size === 0) setImmediate(run)
    queue.add(work)
  }

  function run(): void {
    const work = [...queue]
    queue.clear()
    for (const one of work) {
      try {
        one()
      } catch (error) {
        // What is to be collected can go by itself first; what the owner's kind forbids stays.
        if (!(error instanceof StatusError)) throw error
      }
    }
  }

  function link(storageKey: string, { metadata }: KubeObject): void {
    const { namespace, name, uid } = metadata
    for (const owner of metadata.ownerReferences ?? []) {
      const known = dependents.get(owner.uid) ?? new Map()
      dependents.set(owner.uid, known.set(uid, { storageKey, namespace, name }))
    }
  }

  function unlink({ metadata }: KubeObject): void {
    for (const owner of metadata.ownerReferences ?? []) {
      const known = dependents.get(owner.uid)
      known?.delete(metadata.uid)
      if (known?.size === 0) dependents.delete(owner.uid)
    }
  }

  function dependentsOf(uid: string): Dependent[] {
    return [...(dependents.get(uid) ?? [])].flatMap(([dependentUid, { storageKey, namespace, name }]) => {
      const definition = storedKinds(registry).find(one => one.storageKey === storageKey)
      const object = store.get(storageKey, namespace, name)
      return definition === undefined || object?.metadata.uid !== dependentUid ? [] : [{ definition, object }]
    })
  }

  function kindOf({ apiVersion, kind }: OwnerReference): ResourceDefinition | undefined {
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
    return registry.all().find(one => one.group === group && one.kind === kind)
  }

  function ownerOf(reference: OwnerReference, namespace: string | undefined): KubeObject | undefined {
    const kind = kindOf(reference)
    if (kind === undefined) return undefined
    const owner = store.get(kind.storageKey, kind.namespaced ? namespace : undefined, reference.name)
    return owner?.metadata.uid === reference.uid ? owner : undefined
  }

  /** Deletes an object all of whose owners are gone; takes those that are gone off the list of the others. */
  function collect({ definition, object }: Dependent): void {
    const { ownerReferences = [], namespace, name, uid } = object.metadata
    if (ownerReferences.length === 0 || object.metadata.deletionTimestamp !== undefined) return
    const living = ownerReferences.filter(reference => ownerOf(reference, namespace) !== undefined)
    if (living.length === ownerReferences.length) return
    const target = { definition, namespace, name }
    if (living.length === 0) operations.remove(target, { preconditions: { uid } })
    else setOwners(target, uid, living)
  }

  function setOwners(target: Target, uid: string, ownerReferences: OwnerReference[]): void {
    operations.update(target, current => {
      const { resourceVersion: _, ...metadata } = current.metadata
      return { ...current, metadata: { ...metadata, resourceVersion: '', uid, ownerReferences } }
    })
  }

  function removeFinalizer({ definition, object }: Dependent, finalizer: string): void {
    const { namespace, name, uid } = object.metadata
    operations.update({ definition, namespace, name }, current => {
      const finalizers = (current.metadata.finalizers ?? []).filter(one => one !== finalizer)
      return { ...current, metadata: { ...current.metadata, uid, finalizers } }
    })
  }

  /** An owner that waits for what is to become of its dependents. */
  function settle(owner: Dependent): void {
    const { finalizers = [], uid } = owner.object.metadata
    if (finalizers.includes(orphan)) {
      for (const { definition, object } of dependentsOf(uid)) {
        const { namespace, name, ownerReferences = [] } = object.metadata
        const rest = ownerReferences.filter(reference => reference.uid !== uid)
        setOwners({ definition, namespace, name }, object.metadata.uid, rest)
      }
      removeFinalizer(owner, orphan)
    } else if (finalizers.includes(foreground)) {
      for (const { definition, object } of dependentsOf(uid)) {
        const { namespace, name, deletionTimestamp } = object.metadata
        if (deletionTimestamp !== undefined) continue
        operations.remove({ definition, namespace, name }, { propagationPolicy: 'Foreground' })
      }
      const blocking = dependentsOf(uid).filter(({ object }) =>
        object.metadata.ownerReferences?.some(
          reference => reference.uid === uid && reference.blockOwnerDeletion === true
        )
      )
      if (blocking.length === 0) removeFinalizer(owner, foreground)
    }
  }

  function current(storageKey: string, { metadata }: KubeObject): Dependent | undefined {
    const definition = storedKinds(registry).find(one => one.storageKey === storageKey)
    const object = store.get(storageKey, metadata.namespace, metadata.name)
    return definition === undefined || object?.metadata.uid !== metadata.uid ? undefined : { definition, object }
  }

  function onCurrent(storageKey: string, object: KubeObject, act: (one: Dependent) => void): void {
    schedule(() => {
      const one = current(storageKey, object)
      if (one !== undefined) act(one)
    })
  }

  store.subscribe(undefined, ({ type, storageKey, object, previous }) => {
    if (previous !== undefined) unlink(previous)
    if (type !== 'DELETED') {
      link(storageKey, object)
      if (object.metadata.ownerReferences !== undefined) onCurrent(storageKey, object, collect)
      const { deletionTimestamp, finalizers } = object.metadata
      if (deletionTimestamp !== undefined && finalizers?.some(one => one === orphan || one === foreground)) {
        onCurrent(storageKey, object, settle)
      }
      return
    }
    for (const { definition, object: dependent } of dependentsOf(object.metadata.uid)) {
      onCurrent(definition.storageKey, dependent, collect)
    }
    // An owner that waits for this one to go may go now.
    for (const reference of object.metadata.ownerReferences ?? []) {
      const owner = ownerOf(reference, object.metadata.namespace)
      const kind = kindOf(reference)
      if (owner !== undefined && kind !== undefined) onCurrent(kind.storageKey, owner, settleIfEnding)
    }
  })

  function settleIfEnding(owner: Dependent): void {
    if (owner.object.metadata.deletionTimestamp !== undefined) settle(owner)
  }
}

import { deepFreeze, type KubeObject } from './objects.ts'

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED'

export interface Change {
  readonly revision: number
  readonly type: ChangeType
  readonly storageKey: string
  /** Of a deletion: the last state, with the deletion's own resourceVersion. */
  readonly object: KubeObject
  readonly previous: KubeObject | undefined
}

/**
 * Every object, in memory, under one counter of revisions as in etcd. Objects go in with any resourceVersion and come
 * out frozen with the right one. All calls are synchronous, so a read and the write it leads to cannot be interleaved.
 */
export interface Store {
  readonly revision: number
  get(storageKey: string, namespace: string | undefined, name: string): KubeObject | undefined
  /** In the order of namespace and name. */
  list(storageKey: string, namespace?: string): KubeObject[]
  /** The state at an earlier revision, or undefined when the history no longer reaches it. */
  listAt(storageKey: string, revision: number, namespace?: string): KubeObject[] | undefined
  put(storageKey: string, object: KubeObject): KubeObject
  remove(storageKey: string, object: KubeObject): KubeObject
  /** Changes after a revision, or undefined when the history no longer reaches it. */
  changesSince(storageKey: string, revision: number): Change[] | undefined
  /** The oldest revision `changesSince` can start from. */
  readonly oldest: number
  subscribe(storageKey: string | undefined, listener: (change: Change) => void): () => void
}

const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`

export function createStore(options: { historyLimit?: number } = {}): Store {
  const historyLimit = options.historyLimit ?? 10_000
  const resources = new Map<string, Map<string, KubeObject>>()
  const listeners = new Map<string | undefined, Set<(change: Change) => void>>()
  const undelivered: Change[] = []
  let history: Change[] = []
  // Clients treat 0 as "any version", so the first state of the world is 1.
  let revision = 1
  let oldest = 1

  function objects(storageKey: string): Map<string, KubeObject> {
    let found = resources.get(storageKey)
    if (found === undefined) {
      found = new Map()
      resources.set(storageKey, found)
    }
    return found
  }

  function record(change: Change): void {
    history.push(change)
    // Cut in blocks: shifting one by one costs the length of the history at each write.
    if (history.length > historyLimit * 1.25) {
      history = history.slice(-historyLimit)
      oldest = history[0]!.revision - 1
    }
    undelivered.push(change)
    if (undelivered.length === 1) deliver()
  }

  /** A listener that writes makes the next change; everyone still sees the changes in their order. */
  function deliver(): void {
    for (let change = undelivered[0]; change !== undefined; change = undelivered[0]) {
      try {
        for (const key of [change.storageKey, undefined]) {
          for (const listener of listeners.get(key) ?? []) listener(change)
        }
      } finally {
        undelivered.shift()
      }
    }
  }

  function changesSince(storageKey: string, since: number): Change[] | undefined {
    if (since < oldest) return undefined
    // Each write makes one revision and one entry, so a revision's place in the history is known.
    const from = history[0] === undefined ? 0 : Math.max(0, since + 1 - history[0].revision)
    return history.slice(from).filter(change => change.storageKey === storageKey)
  }

  function sorted(values: Iterable<KubeObject>, namespace: string | undefined): KubeObject[] {
    return [...values]
      .filter(object => namespace === undefined || object.metadata.namespace === namespace)
      .sort((a, b) =>
        compare(keyOf(a.metadata.namespace, a.metadata.name), keyOf(b.metadata.namespace, b.metadata.name))
      )
  }

  return {
    get revision() {
      return revision
    },
    get oldest() {
      return oldest
    },
    get: (storageKey, namespace, name) => resources.get(storageKey)?.get(keyOf(namespace, name)),
    list: (storageKey, namespace) => sorted(resources.get(storageKey)?.values() ?? [], namespace),
    listAt(storageKey, at, namespace) {
      const changes = changesSince(storageKey, at)
      if (changes === undefined) return undefined
      const state = new Map(objects(storageKey))
      for (const { object, previous } of changes.reverse()) {
        const key = keyOf(object.metadata.namespace, object.metadata.name)
        if (previous === undefined) state.delete(key)
        else state.set(key, previous)
      }
      return sorted(state.values(), namespace)
    },
    put(storageKey, object) {
      const key = keyOf(object.metadata.namespace, object.metadata.name)
      const previous = objects(storageKey).get(key)
      revision += 1
      const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } })
      objects(storageKey).set(key, stored)
      record({ revision, type: previous === undefined ? 'ADDED' : 'MODIFIED', storageKey, object: stored, previous })
      return stored
    },
    remove(storageKey, object) {
      const key = keyOf(object.metadata.namespace, object.metadata.name)
      const previous = objects(storageKey).get(key)
      if (previous === undefined) throw new Error(`removing ${storageKey} ${key}, which is not stored`)
      revision += 1
      const last = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } })
      objects(storageKey).delete(key)
      record({ revision, type: 'DELETED', storageKey, object: last, previous })
      return last
    },
    changesSince,
    subscribe(storageKey, listener) {
      const set = listeners.get(storageKey) ?? new Set()
      listeners.set(storageKey, set)
      set.add(listener)
      return () => set.delete(listener)
    }
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

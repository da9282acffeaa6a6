import type { Authorization } from '../model/authorization.ts'

/** Policies by resource name and by where they apply (docs/spec/workload-xds.md 3.2). */
export interface PolicyStore extends PolicyLookups {
  /** One response. Returns whether anything was in it: then live connections are judged again. */
  readonly apply: (changes: PolicyChanges) => boolean
  /** Called after every `apply` with something in it, until the returned function is. */
  readonly watch: (listener: () => void) => () => void
  readonly policies: () => Iterable<readonly [key: string, policy: Authorization]>
}

export interface PolicyLookups {
  readonly policy: (key: string) => Authorization | undefined
  /** Namespace-wide policies, by key. Another map after a change of them, and only then. */
  readonly ofNamespace: (namespace: string) => ReadonlyMap<string, Authorization>
  /** Policies for everyone, by key; likewise. */
  readonly global: () => ReadonlyMap<string, Authorization>
  /** Differs after every change: for those who keep something made from policies. */
  readonly generation: () => number
}

export interface PolicyChanges {
  readonly updates: readonly (readonly [key: string, policy: Authorization])[]
  readonly removals: readonly string[]
}

export function createPolicyStore(): PolicyStore {
  const policies = new Map<string, Authorization>()
  const namespaces = new Map<string, Map<string, Authorization>>()
  const listeners = new Set<() => void>()
  let generation = 0
  /** Maps made since nobody can have seen them. */
  const unseen = new Set<ReadonlyMap<string, Authorization>>()

  /** The namespace's own map, to be changed. */
  function filedIn(namespace: string): Map<string, Authorization> {
    const filed = namespaces.get(namespace)
    if (filed !== undefined && unseen.has(filed)) return filed
    const own = new Map(filed)
    unseen.add(own)
    namespaces.set(namespace, own)
    return own
  }

  function remove(key: string): void {
    const previous = policies.get(key)
    if (previous === undefined) return
    policies.delete(key)
    const namespace = filedUnder(previous)
    if (namespace === undefined) return
    const filed = filedIn(namespace)
    filed.delete(key)
    if (filed.size === 0) namespaces.delete(namespace)
  }

  function insert(key: string, policy: Authorization): void {
    remove(key)
    policies.set(key, policy)
    const namespace = filedUnder(policy)
    if (namespace !== undefined) filedIn(namespace).set(key, policy)
  }

  return {
    policy: key => policies.get(key),
    ofNamespace: namespace => (namespace === everyone ? none : (namespaces.get(namespace) ?? none)),
    global: () => namespaces.get(everyone) ?? none,
    generation: () => generation,
    policies: () => policies,
    apply({ updates, removals }) {
      if (updates.length === 0 && removals.length === 0) return false
      for (const [key, policy] of updates) insert(key, policy)
      for (const key of removals) remove(key)
      unseen.clear()
      generation++
      for (const listener of listeners) listener()
      return true
    },
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}

const none: ReadonlyMap<string, Authorization> = new Map()

/** The key of global policies; a namespace policy without a namespace lands here too (docs/spec/authorization.md 1.3). */
const everyone = ''

/** Policies with a selector apply only where a workload names them. */
function filedUnder({ scope, namespace }: Authorization): string | undefined {
  if (scope === 'WorkloadSelector') return undefined
  return scope === 'Global' ? everyone : namespace
}

/** Sets by key that vanish when empty. */
export interface Multimap<V> {
  add(key: string, value: V): void
  delete(key: string, value: V): void
  get(key: string): ReadonlySet<V>
}

const nothing: ReadonlySet<never> = new Set()

export function createMultimap<V>(): Multimap<V> {
  const sets = new Map<string, Set<V>>()
  return {
    add(key, value) {
      const set = sets.get(key)
      if (set === undefined) sets.set(key, new Set([value]))
      else set.add(value)
    },
    delete(key, value) {
      const set = sets.get(key)
      if (set?.delete(value) && set.size === 0) sets.delete(key)
    },
    get: key => sets.get(key) ?? nothing
  }
}

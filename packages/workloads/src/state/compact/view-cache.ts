/** Values made from records, kept while they are asked for: two generations, the older dropped when the newer is full. */
export interface ViewCache<View extends object> {
  readonly get: (slot: number, make: () => View | undefined) => View | undefined
  readonly forget: (slot: number) => void
}

export function createViewCache<View extends object>({ limit = 2_048 }: { limit?: number } = {}): ViewCache<View> {
  let young = new Map<number, View>()
  let old = new Map<number, View>()
  return {
    get(slot, make) {
      const known = young.get(slot)
      if (known !== undefined) return known
      const view = old.get(slot) ?? make()
      if (view === undefined) return undefined
      if (young.size >= limit) {
        old = young
        young = new Map()
      }
      young.set(slot, view)
      return view
    },
    forget(slot) {
      young.delete(slot)
      old.delete(slot)
    }
  }
}

/**
 * Which computation depends on what. A unit ("pod shop/cart-1") is computed by a function that names the topics it reads
 * ("node n1", "services shop"); a change names the topics it touches, and exactly the units that read them are computed
 * again.
 */
export interface UnitGraph {
  /** The unit itself changed. */
  mark(unit: string): void
  /** Something that units may have read changed; `affects` narrows it down to those it can matter to. */
  touch(topic: string, affects?: (unit: string) => boolean): void
  /** Computes what is marked, for so many milliseconds at most; true when nothing is left. */
  flush(budgetMs?: number): boolean
}

export type Read = (topic: string) => void

export function createUnitGraph(compute: (unit: string, read: Read) => void): UnitGraph {
  const topicsOf = new Map<string, Set<string>>()
  const readers = new Map<string, Set<string>>()
  const marked = new Set<string>()

  function forget(unit: string): void {
    for (const topic of topicsOf.get(unit) ?? []) {
      const units = readers.get(topic)
      units?.delete(unit)
      if (units?.size === 0) readers.delete(topic)
    }
    topicsOf.delete(unit)
  }

  function run(unit: string): void {
    forget(unit)
    const topics = new Set<string>()
    compute(unit, topic => topics.add(topic))
    if (topics.size === 0) return
    topicsOf.set(unit, topics)
    for (const topic of topics) {
      const units = readers.get(topic)
      if (units === undefined) readers.set(topic, new Set([unit]))
      else units.add(unit)
    }
  }

  return {
    mark: unit => void marked.add(unit),
    touch(topic, affects = () => true) {
      for (const unit of readers.get(topic) ?? []) if (!marked.has(unit) && affects(unit)) marked.add(unit)
    },
    flush(budgetMs = Number.POSITIVE_INFINITY) {
      const end = performance.now() + budgetMs
      for (const unit of marked) {
        marked.delete(unit)
        run(unit)
        if (performance.now() > end) break
      }
      return marked.size === 0
    }
  }
}

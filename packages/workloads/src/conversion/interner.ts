import type { Locality, PortMap } from '../model/workload.ts'

/**
 * Most fields of most workloads repeat (namespace, node, network, service names, ports): decoded, each would be a
 * string of its own. This keeps one of each.
 */
export interface Interner {
  readonly text: (value: string) => string
  readonly ports: (ports: PortMap) => PortMap
  readonly locality: (locality: Locality) => Locality
}

/** Beyond this many the pool is forgotten: a mesh whose names keep changing must not fill it for ever. */
const limit = 100_000

export function createInterner(): Interner {
  const texts = new Map<string, string>()
  const portMaps = new Map<string, PortMap>()
  const localities = new Map<string, Locality>()
  return {
    text: value => pooled(texts, value, value),
    ports: ports => pooled(portMaps, [...ports].join(), ports),
    locality: locality => pooled(localities, JSON.stringify(Object.values(locality)), locality)
  }
}

function pooled<Value>(pool: Map<string, Value>, key: string, value: Value): Value {
  const known = pool.get(key)
  if (known !== undefined) return known
  if (pool.size >= limit) pool.clear()
  pool.set(key, value)
  return value
}

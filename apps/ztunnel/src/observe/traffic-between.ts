import type { Service, Workload } from '@culvert/workloads'
import { serviceLabels, workloadLabels } from './peer-labels.ts'
import type { Traffic } from './traffic-labels.ts'

/** One end, as far as it is known. */
export interface End {
  readonly workload: Workload
  readonly principal: string | undefined
}

export interface Ends {
  readonly reporter: 'source' | 'destination'
  readonly source: End | undefined
  readonly destination: End | undefined
  readonly service: Service | undefined
  readonly mutualTls: boolean
}

interface Known {
  readonly ends: Ends
  readonly traffic: Traffic
}

/** Both ends' workloads are looked up, so this many differ in identity or service only. */
const maxKnown = 64
const nobody = {}
const known = new WeakMap<object, WeakMap<object, Known[]>>()

/** The same value for the same ends, for as long as their workloads live: records are replaced, never changed. */
export function trafficBetween(ends: Ends): Traffic {
  const list = knownBetween(ends.source?.workload ?? nobody, ends.destination?.workload ?? nobody)
  for (const { ends: before, traffic } of list) if (same(before, ends)) return traffic
  const traffic = describe(ends)
  if (list.length >= maxKnown) list.length = 0
  list.push({ ends, traffic })
  return traffic
}

function knownBetween(source: object, destination: object): Known[] {
  let destinations = known.get(source)
  if (destinations === undefined) {
    destinations = new WeakMap()
    known.set(source, destinations)
  }
  let list = destinations.get(destination)
  if (list === undefined) {
    list = []
    destinations.set(destination, list)
  }
  return list
}

const same = (a: Ends, b: Ends): boolean =>
  a.reporter === b.reporter &&
  a.mutualTls === b.mutualTls &&
  a.service === b.service &&
  a.source?.principal === b.source?.principal &&
  a.destination?.principal === b.destination?.principal

function describe({ reporter, source, destination, service, mutualTls }: Ends): Traffic {
  return {
    reporter,
    source: source === undefined ? {} : workloadLabels(source.workload, source.principal),
    destination: destination === undefined ? {} : workloadLabels(destination.workload, destination.principal),
    service: serviceLabels(service),
    mutualTls,
    sourceName: source?.workload.name,
    destinationName: destination?.workload.name
  }
}

import { type Service, serviceKey, type Workload, type WorkloadLookups } from '@culvert/workloads'

/** One question that a decision put to the index, and what it got. */
export interface Lookup {
  readonly asked: string
  readonly found: string | null
}

/** The index as it is, telling every question: so an explanation comes from the code that decides, not from a copy. */
export function tracedIndex(index: WorkloadLookups, tell: (lookup: Lookup) => void): WorkloadLookups {
  const workload = (asked: string, found: Workload | undefined): Workload | undefined => {
    tell({ asked, found: found === undefined ? null : `workload ${found.uid}` })
    return found
  }
  const service = (asked: string, found: Service | undefined): Service | undefined => {
    tell({ asked, found: found === undefined ? null : `service ${serviceKey(found)}` })
    return found
  }
  const seenFrom = (namespace: string | undefined): string => (namespace === undefined ? '' : ` seen from ${namespace}`)
  return {
    ...index,
    workload: uid => workload(`workload ${uid}`, index.workload(uid)),
    workloadByIp: (network, ip) => workload(`workload with address ${network}/${ip}`, index.workloadByIp(network, ip)),
    workloadByHostname: host => workload(`workload with hostname ${serviceKey(host)}`, index.workloadByHostname(host)),
    service: host => service(`service ${serviceKey(host)}`, index.service(host)),
    serviceByVip: (network, ip, namespace) =>
      service(
        `service with address ${network}/${ip}${seenFrom(namespace)}`,
        index.serviceByVip(network, ip, namespace)
      ),
    serviceByHostname: (hostname, namespace) =>
      service(`service ${hostname}${seenFrom(namespace)}`, index.serviceByHostname(hostname, namespace)),
    endpointsOf(of) {
      const endpoints = [...index.endpointsOf(of)]
      const uids = endpoints.slice(0, shownEndpoints).map(endpoint => endpoint.workload.uid)
      const more = endpoints.length - uids.length
      tell({
        asked: `endpoints of ${serviceKey(of)}`,
        found: endpoints.length === 0 ? null : `${uids.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
      })
      return endpoints
    }
  }
}

const shownEndpoints = 20

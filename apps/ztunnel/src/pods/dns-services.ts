import type { DnsService, ServiceLookup } from '@culvert/dns'
import type { Service, WorkloadIndex } from '@culvert/workloads'

/** The workload index as the DNS proxy asks it. */
export function dnsServices(index: Pick<WorkloadIndex, 'servicesByHostname' | 'workload'>): ServiceLookup {
  return {
    servicesByHostname: hostname => index.servicesByHostname(hostname).map(service => dnsService(index, service))
  }
}

function dnsService(index: Pick<WorkloadIndex, 'workload'>, service: Service): DnsService {
  return {
    hostname: service.hostname,
    namespace: service.namespace,
    vips: service.vips.map(({ network, ip }) => ({ network, address: ip })),
    canonical: service.canonical,
    visibility: service.visibility,
    ipFamilies: service.ipFamilies,
    endpointAddresses: family =>
      [...service.endpoints.values()].flatMap(({ workloadUid }) => {
        const ips = index.workload(workloadUid)?.workloadIps ?? []
        const first = ips.find(ip => ip.includes(':') === (family === 'IPv6'))
        return first === undefined ? [] : [first]
      })
  }
}

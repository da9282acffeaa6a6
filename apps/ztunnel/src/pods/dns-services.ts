import type { DnsService, ServiceLookup } from '@culvert/dns'
import type { Service, WorkloadIndex } from '@culvert/workloads'

/** The workload index as the DNS proxy asks it. */
export function dnsServices(index: Pick<WorkloadIndex, 'servicesByHostname' | 'endpointsOf'>): ServiceLookup {
  return {
    servicesByHostname: hostname => index.servicesByHostname(hostname).map(service => dnsService(index, service))
  }
}

function dnsService(index: Pick<WorkloadIndex, 'endpointsOf'>, service: Service): DnsService {
  return {
    hostname: service.hostname,
    namespace: service.namespace,
    vips: service.vips.map(({ network, ip }) => ({ network, address: ip })),
    canonical: service.canonical,
    visibility: service.visibility,
    ipFamilies: service.ipFamilies,
    endpointAddresses: family =>
      [...index.endpointsOf(service)].flatMap(({ workload }) => {
        const first = workload.workloadIps.find(ip => ip.includes(':') === (family === 'IPv6'))
        return first === undefined ? [] : [first]
      })
  }
}

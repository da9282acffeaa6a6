import type { V1EndpointSlice } from '@culvert/kubernetes'
import { NetworkMode, type WorkloadMessage, WorkloadStatus, WorkloadType } from '@culvert/workloads'
import { ipBytes } from './ip-address.ts'
import type { MeshFacts } from './mesh-facts.ts'
import { endpointSliceUid } from './names.ts'
import type { ServiceFacts } from './service-facts.ts'
import { slicePorts } from './target-ports.ts'

export const serviceNameLabel = 'kubernetes.io/service-name'

/**
 * Endpoints that are no pod, of a Service that is known (docs/spec/workload-xds.md 4.1, last column). Nobody says who
 * they are, so they have no account and their address may be anybody's: HOST_NETWORK keeps it out of address look-ups.
 */
export function endpointSliceWorkloads(
  slice: V1EndpointSlice,
  service: ServiceFacts | undefined,
  mesh: MeshFacts
): WorkloadMessage[] {
  const { name = '', namespace = '' } = slice.metadata ?? {}
  if (service === undefined || slice.addressType === 'FQDN') return []
  const services = slicePorts(slice, [service])
  const byUid = new Map<string, WorkloadMessage>()
  for (const endpoint of slice.endpoints ?? []) {
    if (endpoint.targetRef?.kind === 'Pod') continue
    const addresses = endpoint.addresses.map(ipBytes)
    const [first] = endpoint.addresses
    if (first === undefined || !addresses.every(bytes => bytes !== undefined)) continue
    const uid = endpointSliceUid(mesh.clusterId, namespace, name, first)
    byUid.set(uid, {
      uid,
      name,
      namespace,
      addresses,
      network: mesh.network,
      trustDomain: mesh.workloadTrustDomain,
      workloadType: WorkloadType.DEPLOYMENT,
      services,
      status: endpoint.conditions?.ready === false ? WorkloadStatus.UNHEALTHY : WorkloadStatus.HEALTHY,
      clusterId: mesh.clusterId,
      networkMode: NetworkMode.HOST_NETWORK
    })
  }
  return [...byUid.values()]
}

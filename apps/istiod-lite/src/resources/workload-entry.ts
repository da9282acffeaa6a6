import type { WorkloadEntry } from '@culvert/kubernetes'
import {
  type GatewayAddressMessage,
  NetworkMode,
  type WorkloadMessage,
  WorkloadStatus,
  WorkloadType
} from '@culvert/workloads'
import { ipBytes } from './ip-address.ts'
import type { MeshFacts } from './mesh-facts.ts'
import { workloadEntryUid } from './names.ts'
import { podTunnel } from './pod-workload.ts'
import { parseLocality } from './service-entry.ts'
import type { ServiceFacts } from './service-facts.ts'
import { entryPorts } from './target-ports.ts'
import { canonicalName, canonicalRevision } from './workload-name.ts'

/** The entry's spec labels under its object labels. */
export function workloadEntryLabels(entry: WorkloadEntry): Record<string, string> {
  return { ...entry.spec?.labels, ...entry.metadata?.labels }
}

/** docs/spec/workload-xds.md 4.1, column "WorkloadEntry". */
export function workloadEntryWorkload(
  entry: WorkloadEntry,
  mesh: MeshFacts,
  around: {
    readonly services: readonly ServiceFacts[]
    readonly policies: readonly string[]
    readonly waypoint: GatewayAddressMessage | undefined
  }
): WorkloadMessage {
  const { name = '', namespace = '', annotations = {} } = entry.metadata ?? {}
  const { spec = {} } = entry
  const labels = workloadEntryLabels(entry)
  const address = ipBytes(spec.address)
  const locality = parseLocality(spec.locality)
  const workloadName = annotations['istio.io/autoRegistrationGroup'] || labels['service.istio.io/workload-name'] || name
  return {
    uid: workloadEntryUid(mesh.clusterId, namespace, name),
    name,
    namespace,
    ...(address === undefined ? { hostname: spec.address ?? '' } : { addresses: [address] }),
    network: spec.network || mesh.network,
    ...podTunnel(annotations, labels),
    trustDomain: mesh.workloadTrustDomain,
    serviceAccount: spec.serviceAccount ?? '',
    canonicalName: canonicalName(labels, workloadName),
    canonicalRevision: canonicalRevision(labels),
    workloadType: WorkloadType.POD,
    workloadName,
    services: entryPorts(spec.ports ?? {}, around.services),
    authorizationPolicies: around.policies,
    status: WorkloadStatus.HEALTHY,
    clusterId: mesh.clusterId,
    networkMode: NetworkMode.STANDARD,
    ...(around.waypoint === undefined ? {} : { waypoint: around.waypoint }),
    ...(locality === undefined ? {} : { locality }),
    ...(spec.weight ? { capacity: { value: spec.weight } } : {})
  }
}

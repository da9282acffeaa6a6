import type { V1Node, V1Pod } from '@culvert/kubernetes'
import {
  type ApplicationTunnelMessage,
  type GatewayAddressMessage,
  type LocalityMessage,
  NetworkMode,
  TunnelProtocol,
  type WorkloadMessage,
  WorkloadStatus,
  WorkloadType
} from '@culvert/workloads'
import { ipBytes } from './ip-address.ts'
import type { MeshFacts } from './mesh-facts.ts'
import { podUid } from './names.ts'
import type { ServiceFacts } from './service-facts.ts'
import { podPorts } from './target-ports.ts'
import { canonicalName, canonicalRevision, podWorkloadName } from './workload-name.ts'

/** What a pod's workload takes from other objects. */
export interface PodSurroundings {
  readonly node: V1Node | undefined
  readonly services: readonly ServiceFacts[]
  readonly policies: readonly string[]
  readonly waypoint: GatewayAddressMessage | undefined
  readonly applicationTunnel: ApplicationTunnelMessage | undefined
}

type Labels = Readonly<Record<string, string>>

function podIps(pod: V1Pod): string[] {
  const all = (pod.status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []))
  if (all.length > 0) return all
  return pod.status?.podIP ? [pod.status.podIP] : []
}

export function nodeLocality(node: V1Node | undefined): LocalityMessage | undefined {
  const labels = node?.metadata?.labels ?? {}
  const region = labels['topology.kubernetes.io/region'] ?? ''
  const zone = labels['topology.kubernetes.io/zone'] ?? ''
  const subzone = labels['topology.istio.io/subzone'] ?? ''
  return region || zone || subzone ? { region, zone, subzone } : undefined
}

/** HBONE once the node agent has captured the pod, or where the workload speaks it itself. */
export function podTunnel(
  annotations: Labels,
  labels: Labels
): Pick<WorkloadMessage, 'tunnelProtocol' | 'nativeTunnel'> {
  const native = (labels['networking.istio.io/tunnel'] ?? '').split(',').includes('http')
  const captured = annotations['ambient.istio.io/redirection'] === 'enabled'
  return {
    tunnelProtocol: native || captured ? TunnelProtocol.HBONE : TunnelProtocol.NONE,
    nativeTunnel: native
  }
}

function isHealthy(pod: V1Pod): boolean {
  const ready = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
  return ready === true && pod.metadata?.deletionTimestamp === undefined
}

/** docs/spec/workload-xds.md 4.1, column "Pod". Undefined: not published. */
export function podWorkload(pod: V1Pod, mesh: MeshFacts, around: PodSurroundings): WorkloadMessage | undefined {
  const { name = '', namespace = '', labels = {}, annotations = {} } = pod.metadata ?? {}
  const phase = pod.status?.phase
  if (phase === 'Failed' || phase === 'Succeeded') return undefined
  const addresses = podIps(pod).flatMap(ip => ipBytes(ip) ?? [])
  if (addresses.length === 0) return undefined
  const workloadName = podWorkloadName(pod)
  const locality = nodeLocality(around.node)
  return {
    uid: podUid(mesh.clusterId, namespace, name),
    name,
    namespace,
    addresses,
    network: mesh.network,
    ...podTunnel(annotations, labels),
    trustDomain: mesh.workloadTrustDomain,
    serviceAccount: pod.spec?.serviceAccountName ?? '',
    node: pod.spec?.nodeName ?? '',
    canonicalName: canonicalName(labels, workloadName),
    canonicalRevision: canonicalRevision(labels),
    workloadType: WorkloadType.POD,
    workloadName,
    services: podPorts(pod, around.services),
    authorizationPolicies: around.policies,
    status: isHealthy(pod) ? WorkloadStatus.HEALTHY : WorkloadStatus.UNHEALTHY,
    clusterId: mesh.clusterId,
    networkMode: pod.spec?.hostNetwork ? NetworkMode.HOST_NETWORK : NetworkMode.STANDARD,
    ...(around.waypoint === undefined ? {} : { waypoint: around.waypoint }),
    ...(around.applicationTunnel === undefined ? {} : { applicationTunnel: around.applicationTunnel }),
    ...(locality === undefined ? {} : { locality })
  }
}

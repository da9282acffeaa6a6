import type { ServiceEntry, V1EndpointSlice, V1Pod } from '@culvert/kubernetes'
import type { MeshFacts } from '../resources/mesh-facts.ts'
import type { Multimap } from './multimap.ts'
import type { ObjectTables } from './objects.ts'

export type Labels = Readonly<Record<string, string>>

/**
 * What computations look at. Functions over it get a `read` besides, and name to it the topics that they looked at, so that
 * a change there computes the reader again.
 */
export interface Views {
  readonly tables: ObjectTables
  readonly mesh: MeshFacts
  readonly slicesOfPod: Multimap<V1EndpointSlice>
  readonly entriesOfHost: Multimap<ServiceEntry>
  readonly dryRunPolicies: boolean
  /** `PILOT_AUTO_ALLOW_WAYPOINT_POLICY`. */
  readonly waypointPolicies: boolean
  /** Pods by the `namespace/name` of the Gateway that they are instances of. */
  readonly instancesOfGateway: Multimap<V1Pod>
}

export const topics = {
  mesh: 'mesh',
  node: (name: string) => `node ${name}`,
  namespace: (name: string) => `namespace ${name}`,
  selectors: (namespace: string) => `selectors ${namespace}`,
  service: (namespace: string, name: string) => `service ${namespace}/${name}`,
  slicesOfPod: (namespace: string, name: string) => `slices-of-pod ${namespace}/${name}`,
  policies: (namespace: string) => `policies ${namespace}`,
  peers: (namespace: string) => `peers ${namespace}`,
  waypoint: (namespace: string, name: string) => `waypoint ${namespace}/${name}`,
  host: (hostname: string) => `host ${hostname}`,
  /** Labels of a Service or ServiceEntry, for those who refer to it by name. */
  target: (kind: string, namespace: string, name: string) => `target ${kind} ${namespace}/${name}`,
  gatewayClass: (name: string) => `gateway-class ${name}`,
  instances: (namespace: string, name: string) => `instances ${namespace}/${name}`
}

/**
 * Workload discovery: Address and Authorization resources, delta xDS, the workload index.
 *
 *     const bytes = encodeAddress({ service: { name: 'cart', namespace: 'shop', hostname: 'cart.shop.example' } })
 *     const resource = { name: 'shop/cart.shop.example', version: resourceVersion(bytes), resource: { value: bytes } }
 */
export { WorkloadsError, type WorkloadsErrorCode } from './errors.ts'
export type {
  AuthorizationMessage,
  ClauseMessage,
  MatchMessage,
  PrefixMessage,
  RuleMessage,
  ServiceAccountMatchMessage,
  StringMatchMessage
} from './messages/authorization-messages.ts'
export { addressTypeUrl, authorizationTypeUrl, discoveryServiceDefinition } from './messages/discovery-codec.ts'
export { clientConfigTypeUrl, decodeClientConfig, encodeClientConfig } from './messages/client-status-codec.ts'
export type {
  ClientConfigMessage,
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  GenericXdsConfigMessage,
  Json,
  NodeMessage,
  ResourceMessage,
  StatusMessage
} from './messages/discovery-messages.ts'
export {
  ApplicationTunnelProtocol,
  AppProtocol,
  HealthPolicy,
  IPFamilies,
  LoadBalancingMode,
  NetworkMode,
  PolicyAction,
  PolicyScope,
  RoutingScope,
  TunnelProtocol,
  Visibility,
  WorkloadStatus,
  WorkloadType
} from './messages/enums.ts'
export { decodeAddress, decodeAuthorization, encodeAddress, encodeAuthorization } from './messages/resource-codec.ts'
export type {
  AddressMessage,
  AnyMessage,
  ApplicationTunnelMessage,
  ExtensionMessage,
  GatewayAddressMessage,
  LoadBalancingMessage,
  LocalityMessage,
  NamespacedHostnameMessage,
  NetworkAddressMessage,
  PortListMessage,
  PortMessage,
  ServiceMessage,
  WeightedWaypointMessage,
  WorkloadMessage
} from './messages/workload-messages.ts'
export { releaseMemory } from './release-memory.ts'
export { resourceVersion } from './resource-version.ts'
export {
  type Authorization,
  type Cidr,
  type Clause,
  emptyMatch,
  type Match,
  type Rule,
  type ServiceAccountMatch,
  type StringMatch
} from './model/authorization.ts'
export { workloadIdentity } from './model/identity.ts'
export { canonicalIp, ipBytes, ipFamily, unmappedIp } from './model/ip.ts'
export {
  type ApplicationTunnel,
  type GatewayAddress,
  type GatewayDestination,
  type HealthStatus,
  isHostname,
  type LoadBalancer,
  type Locality,
  type NamespacedHostname,
  type NetworkAddress,
  type NetworkCidr,
  parseServiceKey,
  type PortMap,
  type RoutingScopeName,
  type Service,
  type ServiceEndpoint,
  serviceKey,
  type WeightedWaypoint,
  type Workload,
  type WorkloadIdentity
} from './model/workload.ts'
export type { KnownEndpoint, WorkloadListing, WorkloadLookups } from './state/lookups.ts'
export type { ServiceDefinition } from './conversion/service.ts'
export { waitForLocalWorkload } from './state/local-workload-wait.ts'
export { createTurns, type Turns } from './state/turns.ts'
export { createPolicyStore, type PolicyChanges, type PolicyLookups, type PolicyStore } from './state/policy-store.ts'
export {
  type AddressChanges,
  type AddressUpdate,
  createWorkloadIndex,
  type IndexListener,
  type WorkloadIndex
} from './state/workload-index.ts'
export type { TerminationReason } from './client/backoff.ts'
export { rootsFrom, tokenFrom } from './client/credential-files.ts'
export {
  createDiscoveryClient,
  type DiscoveryClient,
  type DiscoveryClientOptions,
  type DiscoveryMetrics
} from './client/discovery-client.ts'
export type { DiscoveryLog } from './client/discovery-log.ts'
export { type DiscoveryNodeSettings, discoveryNode } from './client/node.ts'
export { dumpPolicies, dumpPolicy } from './dump/dump-policy.ts'
export { type Dump, dumpServices, dumpStagedServices, dumpWorkloads } from './dump/dump-workload.ts'
export { type FollowOptions, followLocalConfig } from './local-config/follow-local-config.ts'
export {
  applyLocalFile,
  type LoadedConfig,
  type LocalNames,
  loadLocalConfig,
  noNames
} from './local-config/load-local-config.ts'
export {
  applyLocalConfig,
  dumpLocalConfig,
  type LocalConfig,
  type LocalState,
  parseLocalConfig
} from './local-config/local-config.ts'

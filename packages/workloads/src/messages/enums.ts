/**
 * Numbers of the wire (docs/spec/workload-xds.md 2.2, 2.3, authorization.md 1.2). Decoding keeps unknown numbers, so
 * message fields are plain numbers and conversion decides what an unknown one means.
 */
export const TunnelProtocol = { NONE: 0, HBONE: 1, LEGACY_ISTIO_MTLS: 2 } as const
export const WorkloadType = { DEPLOYMENT: 0, CRONJOB: 1, POD: 2, JOB: 3 } as const
export const WorkloadStatus = { HEALTHY: 0, UNHEALTHY: 1 } as const
export const NetworkMode = { STANDARD: 0, HOST_NETWORK: 1 } as const
export const ApplicationTunnelProtocol = { NONE: 0, PROXY: 1 } as const
export const AppProtocol = { UNKNOWN: 0, HTTP11: 1, HTTP2: 2, GRPC: 3, TCP: 4, TLS: 5 } as const
export const IPFamilies = { AUTOMATIC: 0, IPV4_ONLY: 1, IPV6_ONLY: 2, DUAL: 3 } as const
export const Visibility = { PUBLIC: 0, NAMESPACE: 1 } as const
export const RoutingScope = {
  UNSPECIFIED_SCOPE: 0,
  REGION: 1,
  ZONE: 2,
  SUBZONE: 3,
  NODE: 4,
  CLUSTER: 5,
  NETWORK: 6
} as const
export const LoadBalancingMode = { UNSPECIFIED_MODE: 0, STRICT: 1, FAILOVER: 2, PASSTHROUGH: 3 } as const
export const HealthPolicy = { ONLY_HEALTHY: 0, ALLOW_ALL: 1 } as const
export const PolicyScope = { GLOBAL: 0, NAMESPACE: 1, WORKLOAD_SELECTOR: 2 } as const
export const PolicyAction = { ALLOW: 0, DENY: 1 } as const

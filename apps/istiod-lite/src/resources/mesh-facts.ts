/** What every resource needs to know of the mesh it is in. */
export interface MeshFacts {
  readonly clusterId: string
  /** As configured. */
  readonly trustDomain: string
  /** As sent: empty stands for `cluster.local`. */
  readonly workloadTrustDomain: string
  readonly rootNamespace: string
  /** Suffix of service hostnames. */
  readonly domain: string
  /** Label `topology.istio.io/network` of the system namespace. */
  readonly network: string
}

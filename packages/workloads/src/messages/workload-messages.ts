/**
 * `istio.workload` as it is on the wire (docs/spec/workload-xds.md 2): an absent field and its default are the same,
 * except where presence has a meaning (oneof arms, `length`, `capacity`).
 */
export interface AddressMessage {
  readonly workload?: WorkloadMessage
  readonly service?: ServiceMessage
}

export interface WorkloadMessage {
  readonly uid?: string
  readonly name?: string
  readonly namespace?: string
  /** 4 or 16 bytes each. */
  readonly addresses?: readonly Uint8Array[]
  readonly hostname?: string
  readonly network?: string
  /** TunnelProtocol */
  readonly tunnelProtocol?: number
  readonly trustDomain?: string
  readonly serviceAccount?: string
  readonly waypoint?: GatewayAddressMessage
  readonly networkGateway?: GatewayAddressMessage
  readonly node?: string
  readonly canonicalName?: string
  readonly canonicalRevision?: string
  /** WorkloadType */
  readonly workloadType?: number
  readonly workloadName?: string
  readonly nativeTunnel?: boolean
  readonly applicationTunnel?: ApplicationTunnelMessage
  /** Key `namespace/hostname`. */
  readonly services?: Readonly<Record<string, PortListMessage>>
  readonly authorizationPolicies?: readonly string[]
  /** WorkloadStatus */
  readonly status?: number
  readonly clusterId?: string
  readonly locality?: LocalityMessage
  /** NetworkMode */
  readonly networkMode?: number
  readonly extensions?: readonly ExtensionMessage[]
  /** Absent: 1. Present without `value`: 0. */
  readonly capacity?: { readonly value?: number }
}

export interface ServiceMessage {
  readonly name?: string
  readonly namespace?: string
  readonly hostname?: string
  readonly addresses?: readonly NetworkAddressMessage[]
  readonly ports?: readonly PortMessage[]
  readonly subjectAltNames?: readonly string[]
  readonly waypoint?: GatewayAddressMessage
  readonly loadBalancing?: LoadBalancingMessage
  /** IPFamilies */
  readonly ipFamilies?: number
  readonly extensions?: readonly ExtensionMessage[]
  readonly canonical?: boolean
  readonly ingressUseWaypoint?: boolean
  readonly weightedWaypoints?: readonly WeightedWaypointMessage[]
  /** Visibility */
  readonly visibility?: number
}

export interface PortListMessage {
  readonly ports?: readonly PortMessage[]
}

export interface PortMessage {
  readonly servicePort?: number
  readonly targetPort?: number
  /** AppProtocol */
  readonly appProtocol?: number
}

export interface ApplicationTunnelMessage {
  /** ApplicationTunnelProtocol */
  readonly protocol?: number
  readonly port?: number
}

/** `hostname` or `address`, not both. */
export interface GatewayAddressMessage {
  readonly hostname?: NamespacedHostnameMessage
  readonly address?: NetworkAddressMessage
  readonly hboneMtlsPort?: number
}

export interface NamespacedHostnameMessage {
  readonly namespace?: string
  readonly hostname?: string
}

export interface NetworkAddressMessage {
  readonly network?: string
  readonly address?: Uint8Array
  /** Prefix length. */
  readonly length?: number
}

export interface WeightedWaypointMessage {
  readonly destination?: GatewayAddressMessage
  readonly weight?: number
}

export interface LocalityMessage {
  readonly region?: string
  readonly zone?: string
  readonly subzone?: string
}

export interface LoadBalancingMessage {
  /** RoutingScope */
  readonly routingPreference?: readonly number[]
  /** LoadBalancingMode */
  readonly mode?: number
  /** HealthPolicy */
  readonly healthPolicy?: number
}

export interface ExtensionMessage {
  readonly name?: string
  readonly config?: AnyMessage
}

export interface AnyMessage {
  readonly typeUrl?: string
  readonly value?: Uint8Array
}

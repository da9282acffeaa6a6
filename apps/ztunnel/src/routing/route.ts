import type { Service, Workload, WorkloadLookups } from '@culvert/workloads'
import type { Choice } from './choose-endpoint.ts'
import type { Refusal } from './refusal.ts'

export interface SocketAddress {
  readonly ip: string
  readonly port: number
}

/** What every decision about this node's connections rests on. */
export interface RoutingContext {
  readonly index: WorkloadLookups
  /** Env NETWORK. */
  readonly network: string
  /** 15001, 15006, 15008, and 15080 with SOCKS5. */
  readonly illegalPorts: ReadonlySet<number>
  /** XDS_ON_DEMAND: names the index lacks are demanded before they count as unknown. */
  readonly onDemand: boolean
  /** LOCALHOST_APP_TUNNEL: PROXY application tunnels are reached through loopback. */
  readonly localhostAppTunnel: boolean
  /** In [0, 1). */
  readonly random: () => number
  /** Hears of every choice among a service's endpoints, for explanations. */
  readonly onChoice?: (choice: Choice, chosen: Workload | undefined) => void
}

/** Where an application's connection goes: docs/spec/hbone.md 2.2. */
export type OutboundRoute = PlainRoute | HboneRoute | DoubleHboneRoute | Refusal

/** Plain TCP; without `upstream` to an address the mesh does not know (passthrough). */
export interface PlainRoute {
  readonly kind: 'plain'
  readonly to: SocketAddress
  /** For labels and the access log. */
  readonly upstream?: Workload
  /** The service the application asked for. */
  readonly service?: Service
}

/** One tunnel, to the endpoint itself or to a waypoint. */
export interface HboneRoute {
  readonly kind: 'hbone'
  readonly to: SocketAddress
  readonly authority: string
  /** One of them must be in the server's certificate. */
  readonly expectedIdentities: readonly string[]
  /** Whom the tunnel ends at: the endpoint's workload or the waypoint's. */
  readonly upstream: Workload
  readonly service?: Service
}

/** A tunnel inside a tunnel, through the gateway of another network. */
export interface DoubleHboneRoute {
  readonly kind: 'double-hbone'
  readonly to: SocketAddress
  /** The same on both CONNECTs. */
  readonly authority: string
  readonly expectedIdentities: readonly string[]
  /** Of the inner handshake; empty when the service has no subject alternative names, and then nothing matches. */
  readonly innerExpectedIdentities: readonly string[]
  readonly gateway: Workload
  /** The endpoint or waypoint chosen in the other network; labels come from the inner response's baggage. */
  readonly upstream: Workload
  readonly service: Service
}

/** Where a CONNECT that arrived goes: docs/spec/hbone.md 3.2 and 3.3. */
export type InboundRoute = AcceptedRoute | Refusal

export interface AcceptedRoute {
  readonly kind: 'accept'
  /** What policies see as the destination (authorization.md 3.1): the pod's address and the final port. */
  readonly destination: SocketAddress
  /** Where to connect: differs from `destination` for an application tunnel on loopback. */
  readonly to: SocketAddress
  /** Whether the client's address may be taken as the source of that connection (hbone 3.4). */
  readonly preserveSource: boolean
  /** Destination address in the PROXY header to write first; absent: no header. */
  readonly proxyHeaderDestination?: SocketAddress
  /** The service of a hostname authority. */
  readonly service?: Service
}

/** `accept` a CONNECT of the HBONE listener: docs/spec/hbone.md 3.1. */
export interface InboundRequest {
  readonly method: string
  readonly authority: string | undefined
  /** Local address of the tunnel's connection: the pod's own. */
  readonly localIp: string
  readonly local: Workload
}

export interface OutboundRequest {
  readonly source: Workload
  /** The application's address. */
  readonly sourceIp: string
  readonly destination: SocketAddress
}

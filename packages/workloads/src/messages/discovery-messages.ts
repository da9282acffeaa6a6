import type { AnyMessage } from './workload-messages.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** The delta xDS envelope (docs/spec/workload-xds.md 1.2). */
export interface NodeMessage {
  readonly id?: string
  readonly cluster?: string
  /** A google.protobuf.Struct, here as the JSON object it stands for. */
  readonly metadata?: { readonly [key: string]: Json }
  readonly buildVersion?: string
}

export interface DeltaDiscoveryRequest {
  readonly node?: NodeMessage
  readonly typeUrl?: string
  readonly resourceNamesSubscribe?: readonly string[]
  readonly resourceNamesUnsubscribe?: readonly string[]
  readonly initialResourceVersions?: Readonly<Record<string, string>>
  readonly responseNonce?: string
  readonly errorDetail?: StatusMessage
}

export interface StatusMessage {
  readonly code?: number
  readonly message?: string
  readonly details?: readonly AnyMessage[]
}

export interface DeltaDiscoveryResponse {
  readonly systemVersionInfo?: string
  readonly resources?: readonly ResourceMessage[]
  readonly typeUrl?: string
  readonly nonce?: string
  readonly removedResources?: readonly string[]
}

export interface ResourceMessage {
  readonly version?: string
  readonly resource?: AnyMessage
  readonly name?: string
  readonly aliases?: readonly string[]
}

/** The state-of-the-world envelope, which istioctl speaks (docs/spec/observability-dns.md 9). */
export interface DiscoveryRequest {
  readonly node?: NodeMessage
  readonly typeUrl?: string
  readonly resourceNames?: readonly string[]
  readonly responseNonce?: string
  readonly errorDetail?: StatusMessage
}

export interface DiscoveryResponse {
  readonly resources?: readonly AnyMessage[]
  readonly typeUrl?: string
  readonly nonce?: string
  readonly controlPlane?: { readonly identifier?: string }
}

/** What a control plane says of one client. */
export interface ClientConfigMessage {
  readonly node?: NodeMessage
  readonly genericXdsConfigs?: readonly GenericXdsConfigMessage[]
}

export interface GenericXdsConfigMessage {
  readonly typeUrl?: string
  /** Milliseconds since 1970. */
  readonly lastUpdated?: number
  /** 0 unknown, 1 synced, 2 not sent, 3 stale, 4 error. */
  readonly configStatus?: number
  readonly errorState?: { readonly lastUpdateAttempt?: number; readonly details?: string }
}

// docs/spec/capture.md 1. Marks are compared under 0xfff: the upper 20 bits belong to others and must survive.

/** Set by ztunnel on its sockets (SO_MARK 1337). */
export const inPodMark = '0x539'
/** Kept in conntrack for ztunnel's connections to the application, and copied to the answers. */
export const returnPathMark = '0x111'
export const markMask = '0xfff'

/** Table and priority of the policy rule that turns answers to foreign addresses into local deliveries. */
export const routeTable = 100
export const policyRulePriority = 32764

export const outboundPort = 15001
export const inboundPlaintextPort = 15006
export const hbonePort = 15008
export const dnsPort = 15053

/** Conntrack zone of ztunnel's own DNS queries, so that they do not collide with the application's. */
export const dnsConntrackZone = 1

export const ambientTables = {
  nat: 'istio-ambient-nat',
  mangle: 'istio-ambient-mangle',
  raw: 'istio-ambient-raw'
} as const

export const probeSetNames = {
  ipv4: 'istio-inpod-probes-v4',
  ipv6: 'istio-inpod-probes-v6'
} as const

/** Source addresses that kubelet probes get on the host. */
export const defaultProbeAddresses: ProbeAddresses = {
  ipv4: '169.254.7.127',
  ipv6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff'
}

export interface ProbeAddresses {
  readonly ipv4: string
  readonly ipv6: string
}

export type Family = 'ipv4' | 'ipv6'
export type Table = 'mangle' | 'nat' | 'raw'

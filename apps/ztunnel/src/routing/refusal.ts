import type { Workload } from '@culvert/workloads'

/** The decisions not to connect, docs/spec/hbone.md 9: each with its text for the access log. */
export type RefusalCode =
  | 'SelfCall'
  | 'UnknownSourceWorkload'
  | 'UnknownWaypoint'
  | 'UnknownNetworkGateway'
  | 'NoHealthyUpstream'
  | 'NoValidDestination'
  | 'NoService'
  | 'NoResolvedAddresses'
  | 'EmptyResolvedAddresses'
  | 'NonConnectMethod'
  | 'NoValidAuthority'
  | 'IPMismatch'
  | 'NoHostname'
  | 'NoPortForServices'
  | 'NoIPForService'

export interface Refusal {
  readonly kind: 'refuse'
  readonly code: RefusalCode
  /** The `error` of the log line. May quote what a peer sent: the log escapes. */
  readonly message: string
  /** What an HBONE peer is answered; plaintext connections are closed. */
  readonly status: 400 | 503
}

const refuse = (code: RefusalCode, message: string, status: 400 | 503 = 503): Refusal => ({
  kind: 'refuse',
  code,
  message,
  status
})

/** `ip:port`, IPv6 in brackets. */
export const endpointText = ({ ip, port }: { readonly ip: string; readonly port: number }): string =>
  ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`

export const selfCall = (): Refusal => refuse('SelfCall', 'attempted recursive call to ourselves')

export const unknownSourceWorkload = (pod: {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
}): Refusal =>
  refuse(
    'UnknownSourceWorkload',
    `failed to fetch information about local workload: ${pod.serviceAccount}.${pod.namespace} (${pod.name})`
  )

export const unknownWaypoint = (host: string): Refusal =>
  refuse('UnknownWaypoint', `unknown waypoint: waypoint ${host} not found`)

export const unknownNetworkGateway = (host: string): Refusal =>
  refuse('UnknownNetworkGateway', `unknown network gateway: network gateway ${host} not found`)

export const noHealthyUpstream = (target: { readonly ip: string; readonly port: number }): Refusal =>
  refuse('NoHealthyUpstream', `no healthy upstream: ${endpointText(target)}`)

export const noValidDestination = ({ name, uid, protocol }: Workload): Refusal =>
  refuse(
    'NoValidDestination',
    `no valid routing destination for workload: Workload{${name} with uid ${uid} (${protocol})}`
  )

export const noService = (target: { readonly ip: string; readonly port: number }): Refusal =>
  refuse('NoService', `no service for target address: ${endpointText(target)}`)

export const noResolvedAddresses = (uid: string): Refusal =>
  refuse('NoResolvedAddresses', `no ip addresses were resolved for workload: ${uid}`)

export const emptyResolvedAddresses = (uid: string): Refusal =>
  refuse(
    'EmptyResolvedAddresses',
    `ip addresses were resolved for workload ${uid}, but valid dns response had no A/AAAA records`
  )

export const nonConnectMethod = (method: string): Refusal =>
  refuse('NonConnectMethod', `expected method CONNECT, got ${method}`, 400)

export const noValidAuthority = (authority: string): Refusal =>
  refuse('NoValidAuthority', `no valid authority pseudo header: ${authority}`, 400)

export const ipMismatch = (connectionIp: string, authorityIp: string): Refusal =>
  refuse('IPMismatch', `ip mismatch: ${connectionIp} != ${authorityIp}`, 400)

export const noHostname = (host: string): Refusal =>
  refuse('NoHostname', `no service or workload for hostname: ${host}`)

export const noPortForServices = (host: string, port: number): Refusal =>
  refuse('NoPortForServices', `requested service ${host}:${port} found, but cannot resolve port`)

export const noIpForService = (host: string): Refusal =>
  refuse('NoIPForService', `requested service ${host} found, but has no IP addresses`)

import { canonicalIp } from '@culvert/workloads'
import type { SocketAddress } from './route.ts'

/** The target of a CONNECT. */
export type Authority =
  | ({ readonly kind: 'address' } & SocketAddress)
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number }

/** `IP:port`, `[IPv6]:port` or `hostname:port`; undefined for anything else. A peer sent this text. */
export function parseAuthority(text: string): Authority | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^[\]]+)\]|([^\s:/?#@[\]]+)):([0-9]{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65535) return undefined
  const ip = canonicalIp(bracketed ?? plain ?? '')
  if (ip !== undefined)
    return (bracketed !== undefined) === ip.includes(':') ? { kind: 'address', ip, port } : undefined
  return plain === undefined ? undefined : { kind: 'hostname', hostname: plain, port }
}

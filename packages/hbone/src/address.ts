import ipaddr from 'ipaddr.js'
import { HboneError } from './errors.ts'

/** An IP address in canonical text and a TCP port. */
export interface Address {
  readonly ip: string
  readonly port: number
}

/** `10.0.0.1:80`, `[fd00::5]:80`; host names as they are. */
export function formatAddress({ ip, port }: Address): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(ip: string): Uint8Array {
  if (!ipaddr.isValid(ip)) throw new HboneError('HBONE_BAD_ADDRESS', `'${ip}' is not an IP address`)
  return Uint8Array.from(ipaddr.parse(ip).toByteArray())
}

/** IPv4-mapped IPv6 becomes IPv4, as every address in the protocol is canonical (docs/spec/hbone.md, terms). */
export function canonicalIp(ip: string): string {
  return ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice('::ffff:'.length) : ip
}

/** The two ends of an accepted or connected socket. */
export function endpoints(socket: {
  remoteAddress?: string | undefined
  remotePort?: number | undefined
  localAddress?: string | undefined
  localPort?: number | undefined
}): { readonly peer: Address; readonly local: Address } {
  return {
    peer: { ip: canonicalIp(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 },
    local: { ip: canonicalIp(socket.localAddress ?? ''), port: socket.localPort ?? 0 }
  }
}

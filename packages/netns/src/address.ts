import net from 'node:net'
import { constants } from '@culvert/native-netns'
import { NetnsError } from './errors.ts'

/** An IP address in text and a TCP or UDP port. */
export interface Address {
  ip: string
  port: number
}

/**
 * `::ffff:1.2.3.4` → `1.2.3.4`, also in its hexadecimal spelling; everything else unchanged. Sockets bound to `[::]`
 * carry IPv4 connections under mapped addresses, which no policy or workload look-up must ever see.
 */
export function unmapAddress(ip: string): string {
  const mapped = /^(?:::|0:0:0:0:0:)ffff:(.+)$/i.exec(ip)?.[1]
  if (mapped === undefined) return ip
  if (net.isIPv4(mapped)) return mapped
  const groups = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(mapped)
  if (groups === null) return ip
  const high = Number.parseInt(groups[1]!, 16)
  const low = Number.parseInt(groups[2]!, 16)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** AF_INET or AF_INET6 of the text address; refuses what is neither, and ports outside 0–65535. */
export function familyOf(address: Address): number {
  const version = net.isIP(address.ip)
  if (version === 0) throw new NetnsError('NETNS_BAD_ADDRESS', `'${address.ip}' is not an IP address`)
  if (!Number.isInteger(address.port) || address.port < 0 || address.port > 65535) {
    throw new NetnsError('NETNS_BAD_ADDRESS', `port ${address.port} of ${address.ip} is not within 0–65535`)
  }
  return version === 4 ? constants.AF_INET : constants.AF_INET6
}

/** `1.2.3.4:80`, `[::1]:80` */
export function formatAddress(address: Address): string {
  return net.isIPv6(address.ip) ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`
}

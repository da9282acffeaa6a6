import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * IP addresses are kept as text, in the form that `inet_ntop` and Node give sockets' addresses (RFC 5952), so that
 * comparing and looking up need no parsing.
 */
export function ipFromBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`
  return bytes.length === 16 ? formatIpv6(bytes) : undefined
}

/** Text to canonical text; undefined for what is no address (zone ids and leading zeros included). */
export function canonicalIp(text: string): string | undefined {
  if (isIPv4(text)) return text
  if (!isIPv6(text) || text.includes('%')) return undefined
  return formatIpv6(ipaddr.parse(text).toByteArray())
}

/** Canonical text; an IPv4 address behind `::ffff:` becomes that address (docs/spec/hbone.md, Terms). */
export const unmappedIp = (ip: string): string => /^::ffff:([0-9.]+)$/.exec(ip)?.[1] ?? ip

/** 4 or 16 bytes of an address in canonical text. */
export function ipBytes(ip: string): Uint8Array {
  return ip.includes(':') ? Uint8Array.from(ipaddr.parse(ip).toByteArray()) : ipv4Bytes(ip)
}

/** By hand, because it is done for every address of the mesh. */
function ipv4Bytes(ip: string): Uint8Array {
  const bytes = new Uint8Array(4)
  let [part, value, digits] = [0, 0, 0]
  for (let i = 0; i <= ip.length; i++) {
    const digit = ip.charCodeAt(i) - 0x30
    if (digit >= 0 && digit <= 9 && digits < 3) {
      value = value * 10 + digit
      digits++
      continue
    }
    const isEnd = i === ip.length ? part === 3 : part < 3 && ip[i] === '.'
    if (!isEnd || digits === 0 || value > 255) throw new Error(`${JSON.stringify(ip)} is no IP address`)
    bytes[part++] = value
    ;[value, digits] = [0, 0]
  }
  return bytes
}

export const ipFamily = (ip: string): 4 | 6 => (ip.includes(':') ? 6 : 4)

function formatIpv6(bytes: ArrayLike<number>): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!)
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`
  }
  const { start, length } = longestZeroRun(groups)
  const hex = groups.map(group => group.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

/** The first of the longest: only that one is written as `::`. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let i = 0; i < groups.length; i++) {
    let end = i
    while (groups[end] === 0) end++
    if (end - i > best.length) best = { start: i, length: end - i }
    i = Math.max(i, end)
  }
  return best
}

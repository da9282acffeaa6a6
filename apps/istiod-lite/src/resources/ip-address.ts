import { isIPv4, isIPv6 } from 'node:net'

/** 4 or 16 bytes in network order; undefined for what is no address. */
export function ipBytes(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number)
  if (!isIPv6(text) || text.includes('%')) return undefined
  return ipv6Bytes(text)
}

function ipv6Bytes(text: string): Uint8Array {
  // A dotted tail stands for the last two groups.
  const dotted = text.slice(text.lastIndexOf(':') + 1)
  let groups = text
  if (dotted.includes('.')) {
    const [a, b, c, d] = dotted.split('.').map(Number) as [number, number, number, number]
    groups = `${text.slice(0, -dotted.length)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const [head = '', tail] = groups.split('::', 2)
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill('0')
  const bytes = new Uint8Array(16)
  ;[...left, ...zeros, ...right].forEach((group, index) => {
    const value = Number.parseInt(group, 16)
    bytes[2 * index] = value >> 8
    bytes[2 * index + 1] = value & 0xff
  })
  return bytes
}

export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: string[] = []
  for (let i = 0; i < bytes.length; i += 2) groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16))
  // The URL parser knows the canonical short form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

export interface Prefix {
  readonly address: Uint8Array
  readonly length: number
}

/** An address or a CIDR, kept unmasked; an address alone covers itself. Undefined for what does not parse. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/')
  const address = ipBytes(slash === -1 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const bits = address.length * 8
  if (slash === -1) return { address, length: bits }
  const digits = text.slice(slash + 1)
  if (!/^\d{1,3}$/.test(digits) || Number(digits) > bits) return undefined
  return { address, length: Number(digits) }
}

/** The network of a prefix: bits beyond its length cleared. */
export function masked({ address, length }: Prefix): Uint8Array {
  return address.map((byte, index) => {
    const kept = Math.min(8, Math.max(0, length - index * 8))
    return byte & (0xff << (8 - kept)) & 0xff
  })
}

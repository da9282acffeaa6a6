import net from 'node:net'

/** An address with the length of its network, as in `10.42.3.17/24`. */
export interface Cidr {
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array
  readonly prefix: number
}

/** The bytes of an address in text; undefined if it is none. An IPv4-mapped one is IPv4. */
export function parseIp(text: string): Uint8Array | undefined {
  if (net.isIPv4(text)) return Uint8Array.from(text.split('.').map(Number))
  if (!net.isIPv6(text) || text.includes('%')) return undefined
  // An embedded IPv4 part counts as the two last groups.
  const plain = text.replace(/\d+\.\d+\.\d+\.\d+$/, v4 => {
    const [a, b, c, d] = v4.split('.').map(Number)
    return `${((a! << 8) | b!).toString(16)}:${((c! << 8) | d!).toString(16)}`
  })
  const [head, tail] = plain.split('::')
  const groups = (part: string | undefined): number[] =>
    part ? part.split(':').map(group => Number.parseInt(group, 16)) : []
  const left = groups(head)
  const right = groups(tail)
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
  const bytes = Uint8Array.from(all.flatMap(group => [group >> 8, group & 255]))
  const mapped = all.slice(0, 5).every(group => group === 0) && all[5] === 0xffff
  return mapped ? bytes.slice(12) : bytes
}

export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  // The longest run of two or more zero groups, the first of several, becomes "::" (RFC 5952 section 4.2).
  const runs = [
    ...groups
      .map(group => (group === '0' ? '0' : 'x'))
      .join('')
      .matchAll(/0{2,}/g)
  ]
  const longest = runs.reduce(
    (best, run) => (run[0].length > best.length ? { at: run.index, length: run[0].length } : best),
    { at: 0, length: 0 }
  )
  if (longest.length === 0) return groups.join(':')
  return `${groups.slice(0, longest.at).join(':')}::${groups.slice(longest.at + longest.length).join(':')}`
}

export function parseCidr(text: string): Cidr | undefined {
  const match = /^(.+)\/(\d{1,3})$/.exec(text)
  const bytes = match === null ? undefined : parseIp(match[1]!)
  if (match === null || bytes === undefined) return undefined
  // ::ffff:1.2.3.4/120 is 1.2.3.4/24
  const prefix = Number(match[2]) - (bytes.length === 4 && match[1]!.includes(':') ? 96 : 0)
  return prefix >= 0 && prefix <= bytes.length * 8 ? { bytes, prefix } : undefined
}

export function formatCidr({ bytes, prefix }: Cidr): string {
  return `${formatIp(bytes)}/${prefix}`
}

/** The network mask, as many bytes as the address has. */
export function maskOf({ bytes, prefix }: Cidr): Uint8Array {
  return bytes.map((_, i) => {
    const ones = Math.min(Math.max(prefix - 8 * i, 0), 8)
    return (0xff << (8 - ones)) & 0xff
  })
}

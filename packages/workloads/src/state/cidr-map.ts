import { ipBytes } from '../model/ip.ts'
import type { NetworkCidr } from '../model/workload.ts'
import { createAddressMap } from './address-map.ts'

/**
 * Values by prefix. A look-up costs one step per prefix length in use, however many prefixes there are.
 */
export interface CidrMap<Value extends object> {
  /** Every value whose prefix holds the address, longest prefix first. */
  readonly match: (network: string, ip: string) => readonly { readonly prefixLength: number; readonly value: Value }[]
  readonly add: (cidr: NetworkCidr, value: Value) => void
  readonly remove: (cidr: NetworkCidr, value: Value) => void
}

export function createCidrMap<Value extends object>(): CidrMap<Value> {
  const prefixes = createAddressMap<Value>()
  /** How many prefixes there are of each length, over all networks. */
  const lengths = new Map<number, number>()
  const count = (length: number, change: 1 | -1): void => {
    const now = (lengths.get(length) ?? 0) + change
    if (now > 0) lengths.set(length, now)
    else lengths.delete(length)
  }
  return {
    match(network, ip) {
      if (lengths.size === 0) return []
      const bytes = ipBytes(ip)
      const inUse = [...lengths.keys()].filter(length => length <= bytes.length * 8).sort((a, b) => b - a)
      return inUse.flatMap(prefixLength =>
        prefixes.get(network, prefixKey(bytes, prefixLength)).map(value => ({ prefixLength, value }))
      )
    },
    add({ network, ip, prefixLength }, value) {
      prefixes.add(network, prefixKey(ipBytes(ip), prefixLength), value)
      count(prefixLength, 1)
    },
    remove({ network, ip, prefixLength }, value) {
      prefixes.remove(network, prefixKey(ipBytes(ip), prefixLength), value)
      count(prefixLength, -1)
    }
  }
}

/** The prefix's own bits as text; the number of bytes keeps the families apart. */
function prefixKey(bytes: Uint8Array, prefixLength: number): string {
  const masked = bytes.map((byte, i) => byte & (0xff << Math.min(8, Math.max(0, 8 * (i + 1) - prefixLength))))
  return `${Buffer.from(masked).toString('hex')}/${prefixLength}`
}

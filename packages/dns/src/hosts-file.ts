import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { wireName } from './domain-name.ts'
import { recordType } from './message.ts'

/** Names that are known without asking a server. */
export interface HostsTable {
  /** The data of the records, undefined when the table says nothing about the name. */
  readonly lookup: (name: string, type: number) => readonly Buffer[] | undefined
}

/** What the file may name and a message can hold. */
const hostName = /^(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63})*$/

export function parseHosts(text: string): HostsTable {
  const byName = new Map<string, string[]>()
  const byReverse = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (isIP(address) === 0) continue
    for (const name of names.map(each => each.toLowerCase().replace(/\.$/, ''))) {
      if (!hostName.test(name)) continue
      push(byName, name, address)
      push(byReverse, reverseName(address), name)
    }
  }
  return {
    lookup: (name, type) => {
      if (type === recordType.PTR) return byReverse.get(name)?.map(wireName)
      if (type !== recordType.A && type !== recordType.AAAA) return undefined
      const found = byName.get(name)?.filter(address => isIP(address) === (type === recordType.A ? 4 : 6))
      return found === undefined || found.length === 0 ? undefined : found.map(addressData)
    }
  }
}

const loopbackReverse = /^(.+\.)?127\.in-addr\.arpa$|^1\.(0\.){31}ip6\.arpa$/

/** What never leaves the machine: RFC 6761 6.3 and 6.4, RFC 7686. */
export function specialName(
  name: string,
  type: number
): { rcode: 'noError' | 'nxDomain'; data: readonly Buffer[] } | undefined {
  if (isBelow(name, 'invalid') || isBelow(name, 'onion')) return { rcode: 'nxDomain', data: [] }
  if (isBelow(name, 'localhost')) {
    if (type === recordType.A) return { rcode: 'noError', data: [addressData('127.0.0.1')] }
    if (type === recordType.AAAA) return { rcode: 'noError', data: [addressData('::1')] }
    return { rcode: 'noError', data: [] }
  }
  if (!loopbackReverse.test(name)) return undefined
  return { rcode: 'noError', data: type === recordType.PTR ? [wireName('localhost')] : [] }
}

function isBelow(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`)
}

function addressData(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray())
}

function reverseName(address: string): string {
  const bytes = ipaddr.parse(address).toByteArray()
  if (bytes.length === 4) return `${bytes.reverse().join('.')}.in-addr.arpa`
  const nibbles = bytes.flatMap(byte => [byte >> 4, byte & 15]).reverse()
  return `${nibbles.map(nibble => nibble.toString(16)).join('.')}.ip6.arpa`
}

function push(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

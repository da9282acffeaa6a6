import type { Netns } from '@culvert/netns'
import type { Commands } from './commands.ts'
import { ambientTables, type Family, probeSetNames } from './constants.ts'
import { hostSets, hostTableDeletion } from './nftables-text.ts'
import { createProbeAddressSet, type ProbeAddressSet, type ProbeEntry, requireUid } from './probe-addresses.ts'

const table = `inet ${ambientTables.nat}`

export function createNftSets(options: {
  netns: Netns | undefined
  ipv6: boolean
  commands: Commands
}): ProbeAddressSet {
  const { netns, ipv6, commands } = options
  const families: readonly Family[] = ipv6 ? ['ipv4', 'ipv6'] : ['ipv4']
  const transaction = async (text: string): Promise<void> => {
    await commands.require(netns, 'nft', ['-f', '-'], text)
  }

  return createProbeAddressSet({
    ipv6,
    withoutIpv6: 'ignore',
    create: () => transaction(hostSets({ ipv6 })),
    flush: () => transaction(families.map(family => `flush set ${table} ${probeSetNames[family]}\n`).join('')),
    destroy: () => transaction(hostTableDeletion),
    // The kernel keeps the comment of a present element; nothing replaces it, as upstream's nftables back end.
    add: (family, ip, podUid) =>
      transaction(`add element ${table} ${probeSetNames[family]} { ${ip} comment "${requireUid(podUid)}" }\n`),
    delete: (family, ip) => transaction(`delete element ${table} ${probeSetNames[family]} { ${ip} }\n`),
    async list(family) {
      const args = ['--json', 'list', 'set', 'inet', ambientTables.nat, probeSetNames[family]]
      return parseNftSet((await commands.require(netns, 'nft', args)).stdout)
    }
  })
}

interface NftListing {
  nftables?: { set?: { elem?: (string | { elem?: { val?: string; comment?: string } })[] } }[]
}

/** An element without comment is listed as its bare value. */
export function parseNftSet(json: string): ProbeEntry[] {
  const listing = JSON.parse(json) as NftListing
  const elements = (listing.nftables ?? []).flatMap(object => object.set?.elem ?? [])
  return elements
    .map(element =>
      typeof element === 'string'
        ? { ip: element, podUid: '' }
        : { ip: element.elem?.val ?? '', podUid: element.elem?.comment ?? '' }
    )
    .filter(entry => entry.ip !== '')
}

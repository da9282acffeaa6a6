import type { Netns } from '@culvert/netns'
import { splitArguments } from './cleanup-rules.ts'
import type { Commands } from './commands.ts'
import { type Family, probeSetNames } from './constants.ts'
import { createProbeAddressSet, type ProbeAddressSet, type ProbeEntry, requireUid } from './probe-addresses.ts'

export function createIpsets(options: {
  netns: Netns | undefined
  ipv6: boolean
  commands: Commands
}): ProbeAddressSet {
  const { netns, ipv6, commands } = options
  const ipset = async (args: string[]): Promise<string> => (await commands.require(netns, 'ipset', args)).stdout
  const families: readonly Family[] = ipv6 ? ['ipv4', 'ipv6'] : ['ipv4']

  return createProbeAddressSet({
    ipv6,
    withoutIpv6: 'refuse',
    async create() {
      for (const family of families) {
        const inet = family === 'ipv4' ? 'inet' : 'inet6'
        await ipset(['create', '-exist', probeSetNames[family], 'hash:ip', 'family', inet, 'comment'])
      }
    },
    async flush() {
      for (const family of families) await ipset(['flush', probeSetNames[family]])
    },
    async destroy() {
      for (const family of families) await ipset(['destroy', probeSetNames[family]])
    },
    // With -exist the comment of a present entry is replaced: the last pod to get an address owns it.
    async add(family, ip, podUid) {
      await ipset(['add', '-exist', probeSetNames[family], ip, 'comment', requireUid(podUid)])
    },
    async delete(family, ip) {
      await ipset(['del', '-exist', probeSetNames[family], ip])
    },
    async list(family) {
      return parseIpsetSave(await ipset(['save', probeSetNames[family]]))
    }
  })
}

/** Lines `add SET ADDRESS comment "UID"`. */
export function parseIpsetSave(text: string): ProbeEntry[] {
  return text
    .split('\n')
    .map(splitArguments)
    .filter(words => words[0] === 'add' && words[2] !== undefined)
    .map(words => {
      const at = words.indexOf('comment')
      return { ip: words[2]!, podUid: at < 0 ? '' : (words[at + 1] ?? '') }
    })
}

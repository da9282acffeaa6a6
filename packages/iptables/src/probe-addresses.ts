import ipaddr from 'ipaddr.js'
import type { Family } from './constants.ts'
import { IptablesError } from './errors.ts'

export interface ProbeEntry {
  readonly ip: string
  /** The UID of the pod, kept as the entry's comment. */
  readonly podUid: string
}

/** The host's sets of pod addresses whose kubelet probes get the probe source address (docs/spec/capture.md 6.1). */
export interface ProbeAddressSet {
  /** Makes the sets; those that exist stay. */
  create(): Promise<void>
  /** Empties them, for a start from nothing. */
  flush(): Promise<void>
  add(ip: string, podUid: string): Promise<void>
  /**
   * Takes the address away only if it is this pod's: two pods may meet on a recycled address, and the successor's entry
   * must survive the removal of its predecessor.
   */
  remove(ip: string, podUid: string): Promise<'removed' | 'absent' | 'foreign'>
  list(): Promise<ProbeEntry[]>
  /** Takes away all but these addresses; says which. */
  prune(keep: Iterable<string>): Promise<string[]>
  destroy(): Promise<void>
}

export interface ProbeAddress {
  readonly family: Family
  /** In canonical text, so that the text a set lists can be compared. */
  readonly ip: string
}

/** v4-mapped addresses are unwrapped: `::ffff:10.1.2.3` belongs to the IPv4 set. */
export function probeAddress(text: string): ProbeAddress {
  if (!ipaddr.isValid(text) || text.includes('%')) {
    throw new IptablesError('IPTABLES_BAD_ADDRESS', `${JSON.stringify(text.slice(0, 64))} is no IP address`)
  }
  const address = ipaddr.process(text)
  return { family: address.kind(), ip: address.toString() }
}

/** What the back ends differ in; the policy above them is the same. */
export interface ProbeSetStore extends Pick<ProbeAddressSet, 'create' | 'flush' | 'destroy'> {
  readonly ipv6: boolean
  /** What becomes of adding an IPv6 address while IPv6 is off (docs/spec/capture.md 6.1). */
  readonly withoutIpv6: 'refuse' | 'ignore'
  add(family: Family, ip: string, podUid: string): Promise<void>
  delete(family: Family, ip: string): Promise<void>
  list(family: Family): Promise<ProbeEntry[]>
}

export function createProbeAddressSet(store: ProbeSetStore): ProbeAddressSet {
  const noSet = (ip: string): IptablesError =>
    new IptablesError('IPTABLES_NO_IPV6_SET', `no address set for ${ip}: IPv6 is off on this node`)

  async function list(): Promise<ProbeEntry[]> {
    const ipv4 = await store.list('ipv4')
    return store.ipv6 ? [...ipv4, ...(await store.list('ipv6'))] : ipv4
  }

  return {
    create: () => store.create(),
    flush: () => store.flush(),
    destroy: () => store.destroy(),
    list,
    async add(text, podUid) {
      const { family, ip } = probeAddress(text)
      if (family === 'ipv4' || store.ipv6) await store.add(family, ip, podUid)
      else if (store.withoutIpv6 === 'refuse') throw noSet(ip)
    },
    async remove(text, podUid) {
      const { family, ip } = probeAddress(text)
      if (family === 'ipv6' && !store.ipv6) throw noSet(ip)
      const entry = (await store.list(family)).find(candidate => probeAddress(candidate.ip).ip === ip)
      if (entry === undefined) return 'absent'
      if (entry.podUid !== podUid) return 'foreign'
      await store.delete(family, ip)
      return 'removed'
    },
    async prune(keep) {
      const kept = new Set([...keep].map(text => probeAddress(text).ip))
      const stale = (await list()).map(entry => probeAddress(entry.ip)).filter(({ ip }) => !kept.has(ip))
      for (const { family, ip } of stale) await store.delete(family, ip)
      return stale.map(({ ip }) => ip)
    }
  }
}

// The comment goes into the input of programs that run as root.
export function requireUid(podUid: string): string {
  if (/^[A-Za-z0-9-]{1,128}$/.test(podUid)) return podUid
  throw new IptablesError(
    'IPTABLES_BAD_ADDRESS',
    `pod UID ${JSON.stringify(podUid.slice(0, 140))} cannot be a set entry's comment: expected letters, digits and dashes`
  )
}

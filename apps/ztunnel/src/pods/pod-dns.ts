import { readFileSync } from 'node:fs'
import {
  createDnsProxy,
  createDnsServer,
  createExchange,
  createForwarder,
  type DnsOutcome,
  type DnsServer,
  type FairSlots,
  type HostsTable,
  lookUp,
  type ResolverConfig,
  type ServiceLookup
} from '@culvert/dns'
import { inNetns, type Netns } from '@culvert/netns'
import type { Workload } from '@culvert/workloads'
import type { AskingPod } from '../observe/dns-metrics.ts'
import type { DnsSettings } from '../settings/dns-settings.ts'

export interface PodDnsOptions {
  readonly settings: DnsSettings
  readonly mark: number
  readonly reusePort: boolean
  readonly ipv6: boolean
  readonly clusterDomain: string
  readonly preferredNamespace: string | undefined
  /** Of a dedicated proxy; undefined: as pods of the client's namespace have it. */
  readonly search: readonly string[] | undefined
  /** Of all pods. */
  readonly slots: FairSlots
  /** ztunnel's own, also for pods; the queries leave from the pod's namespace. */
  readonly resolver: ResolverConfig
  readonly hosts: HostsTable
  readonly services: ServiceLookup
  readonly observe: (outcome: DnsOutcome<AskingPod>) => void
  readonly onError: (error: unknown) => void
}

export interface PodDns extends DnsServer {
  /** As the pod's own questions are answered. */
  readonly lookUp: (name: string, family: 'A' | 'AAAA') => Promise<readonly string[]>
}

/** The DNS proxy of one pod: docs/spec/observability-dns.md section 11. */
export function createPodDns(
  options: PodDnsOptions,
  netns: Netns | undefined,
  workload: () => Workload | undefined | Promise<Workload | undefined>
): PodDns {
  const { mark, reusePort, settings } = options
  const proxy = createDnsProxy<AskingPod>({
    clusterDomain: options.clusterDomain,
    preferredNamespace: options.preferredNamespace,
    ...(options.search === undefined ? {} : { search: options.search }),
    ipv6: options.ipv6,
    client: async () => {
      const known = await workload()
      return known && { namespace: known.namespace, network: known.network, workload: known }
    },
    services: options.services,
    forwarder: createForwarder({
      config: options.resolver,
      hosts: options.hosts,
      exchange: createExchange(netns, { mark, randomCase: settings.randomCase }),
      slots: options.slots.share()
    }),
    observe: options.observe
  })
  const addresses = settings.addresses.filter(({ optional }) => !optional || hasLoopbackIpv6(netns))
  const server = createDnsServer({ netns, addresses, mark, reusePort, proxy, onError: options.onError })
  const stop = new AbortController()
  return {
    start: server.start,
    drain: server.drain,
    close: () => {
      stop.abort()
      return server.close()
    },
    lookUp: (name, family) => lookUp(proxy, name, family, stop)
  }
}

/** Both here and in the pod's namespace; what cannot be read counts as enabled. */
function hasLoopbackIpv6(netns: Netns | undefined): boolean {
  return !isIpv6Off() && (netns === undefined || !inNetns(netns, isIpv6Off))
}

function isIpv6Off(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv6/conf/lo/disable_ipv6', 'latin1').trim() === '1'
  } catch {
    return false
  }
}

/**
 * The DNS proxy: answers service names from the mesh's knowledge and forwards the rest.
 *
 *     const { servers } = parseResolvConf(readFileSync('/etc/resolv.conf', 'utf8'))
 *     const forwarder = createForwarder({ config, hosts: parseHosts(''), exchange: createExchange(podNetns, { mark: 1337 }) })
 *     const proxy = createDnsProxy({ clusterDomain: 'cluster.local', ipv6: true, client, services, forwarder, observe })
 *     const server = createDnsServer({ netns: podNetns, addresses: [{ ip: '127.0.0.1', port: 15053 }], mark: 1337, reusePort: true, proxy })
 *     await server.start()
 */
export { DnsError, type DnsErrorCode } from './errors.ts'
export { createFairSlots, type FairSlots, type SlotShare, type WaitOptions } from './fair-slots.ts'
export { createForwarder, type Forwarder, type ForwardResult } from './forwarder.ts'
export { type HostsTable, parseHosts } from './hosts-file.ts'
export { lookUp } from './look-up.ts'
export { type DnsService, type Match, type MatchSettings, matchService, type ServiceLookup } from './match.ts'
export { type DnsRecord, type Question, questionFor } from './message.ts'
export {
  createDnsProxy,
  type DnsClient,
  type DnsOutcome,
  type DnsProtocol,
  type DnsProxy,
  type DnsProxyOptions
} from './proxy.ts'
export { queryTypeName } from './query-type.ts'
export { parseResolvConf, type ResolverConfig } from './resolv-conf.ts'
export { createDnsServer, type DnsServer, type DnsServerOptions } from './server.ts'
export { createExchange, type Exchange, type ExchangeSettings, type UpstreamServer } from './upstream.ts'

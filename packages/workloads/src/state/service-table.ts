import type { NamespacedHostname, Service } from '../model/workload.ts'
import { createAddressMap } from './address-map.ts'
import { createCidrMap } from './cidr-map.ts'
import type { EndpointSet } from './compact/endpoint-set.ts'

/** A service whose endpoints the index may change. */
export interface IndexedService extends Service {
  readonly endpoints: EndpointSet
}

/** Services by hostname and by address: docs/spec/workload-xds.md 3.2 and 3.4. Lists are in order of arrival. */
export interface ServiceTable {
  readonly all: () => Iterable<IndexedService>
  readonly get: (host: NamespacedHostname) => IndexedService | undefined
  readonly ofHostname: (hostname: string) => readonly IndexedService[]
  readonly byHostname: (hostname: string, clientNamespace: string | undefined) => Service | undefined
  readonly byVip: (network: string, ip: string, clientNamespace: string | undefined) => Service | undefined
  readonly add: (service: IndexedService) => void
  readonly remove: (service: IndexedService) => void
}

export function createServiceTable(): ServiceTable {
  const hostnames = new Map<string, readonly IndexedService[]>()
  const vips = createAddressMap<IndexedService>()
  const cidrs = createCidrMap<IndexedService>()
  const ofHostname = (hostname: string): readonly IndexedService[] => hostnames.get(hostname) ?? []
  return {
    *all() {
      for (const services of hostnames.values()) yield* services
    },
    get: ({ namespace, hostname }) => ofHostname(hostname).find(service => service.namespace === namespace),
    ofHostname,
    byHostname: (hostname, clientNamespace) => best(ofHostname(hostname), clientNamespace),
    byVip(network, ip, clientNamespace) {
      const exact = best(vips.get(network, ip), clientNamespace)
      return exact ?? bestPrefix(cidrs.match(network, ip), clientNamespace)
    },
    add(service) {
      hostnames.set(service.hostname, [...ofHostname(service.hostname), service])
      for (const { network, ip } of service.vips) vips.add(network, ip, service)
      for (const cidr of service.cidrVips) cidrs.add(cidr, service)
    },
    remove(service) {
      const rest = ofHostname(service.hostname).filter(other => other !== service)
      if (rest.length > 0) hostnames.set(service.hostname, rest)
      else hostnames.delete(service.hostname)
      for (const { network, ip } of service.vips) vips.remove(network, ip, service)
      for (const cidr of service.cidrVips) cidrs.remove(cidr, service)
    }
  }
}

/** Without a client namespace everything is visible and only `canonical` is preferred. */
function isVisible({ visibility, namespace }: Service, clientNamespace: string | undefined): boolean {
  return visibility === 'Public' || clientNamespace === undefined || namespace === clientNamespace
}

/** The client's own namespace, then a canonical one, then the first that came. */
function best(services: readonly Service[], clientNamespace: string | undefined): Service | undefined {
  const visible = services.filter(service => isVisible(service, clientNamespace))
  return (
    visible.find(service => service.namespace === clientNamespace) ??
    visible.find(service => service.canonical) ??
    visible[0]
  )
}

/** Here the client's namespace beats even a longer prefix; matches come longest first. */
function bestPrefix(
  matches: readonly { readonly prefixLength: number; readonly value: Service }[],
  clientNamespace: string | undefined
): Service | undefined {
  const visible = matches.filter(({ value }) => isVisible(value, clientNamespace))
  const own = visible.filter(({ value }) => value.namespace === clientNamespace)
  const preferred = own.length > 0 ? own : visible
  const longest = preferred.filter(({ prefixLength }) => prefixLength === preferred[0]?.prefixLength)
  return (longest.find(({ value }) => value.canonical) ?? longest[0])?.value
}

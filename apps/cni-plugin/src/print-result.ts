import type { CniResult, Dns, Route } from './cni-result.ts'
import { familyOf } from './cni-version.ts'
import { goJson } from './go-json.ts'
import { type Cidr, formatCidr } from './ip-address.ts'

/** The result in the shape of the configuration's version: 4 spaces, no newline at the end (docs/spec/cni.md 2.3). */
export function printResult(result: CniResult, version: string): string {
  const family = familyOf(version)
  if (family === '1.0') return goJson(sorted(newest(result, version)), 4)
  return goJson(family === '0.3' ? middle(result, version) : oldest(result, version), 4)
}

function newest(result: CniResult, cniVersion: string): object {
  const { interfaces, ips, dns } = result
  return {
    cniVersion,
    ...(interfaces.length > 0 && { interfaces }),
    ...(ips.length > 0 && { ips: ips.map(ip => ({ ...ip, address: formatCidr(ip.address) })) }),
    ...(result.routes.length > 0 && { routes: result.routes.map(routeJson) }),
    ...(Object.keys(dns).length > 0 && { dns })
  }
}

function middle(result: CniResult, cniVersion: string): object {
  const interfaces = result.interfaces.map(({ name, mac, sandbox }) => ({ name, mac, sandbox }))
  const ips = result.ips.map(ip => ({
    version: isV4(ip.address) ? '4' : '6',
    interface: ip.interface,
    address: formatCidr(ip.address),
    gateway: ip.gateway
  }))
  return {
    cniVersion,
    ...(interfaces.length > 0 && { interfaces }),
    ...(ips.length > 0 && { ips }),
    ...(result.routes.length > 0 && { routes: result.routes.map(routeJson) }),
    dns: dnsJson(result.dns)
  }
}

function oldest(result: CniResult, cniVersion: string): object {
  const half = (v4: boolean): object | undefined => {
    const ip = result.ips.find(({ address }) => isV4(address) === v4)
    if (ip === undefined) return undefined
    const routes = result.routes.filter(route => isV4(route.dst) === v4).map(routeJson)
    return { ip: formatCidr(ip.address), gateway: ip.gateway, ...(routes.length > 0 && { routes }) }
  }
  const ip4 = half(true)
  const ip6 = half(false)
  if (ip4 === undefined && ip6 === undefined) throw new Error('cannot convert: no valid IP addresses')
  return { cniVersion, ip4, ip6, dns: dnsJson(result.dns) }
}

function isV4(cidr: Cidr): boolean {
  return cidr.bytes.length === 4
}

function routeJson({ dst, gw, mtu, advmss, priority, table, scope }: Route): object {
  return { dst: formatCidr(dst), gw, mtu, advmss, priority, table, scope }
}

function dnsJson({ nameservers, domain, search, options }: Dns): object {
  return { nameservers, domain, search, options }
}

/** Versions 1.x print their keys in alphabetical order at every level. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sorted(item)]))
}

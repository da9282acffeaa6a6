/**
 * Which service a name means to a client: docs/spec/observability-dns.md 11.3, without sockets or messages.
 * Names are lower case without trailing dot.
 */

export interface DnsService {
  readonly hostname: string
  readonly namespace: string
  /** Without the ranges of CIDR services. */
  readonly vips: readonly { readonly network: string; readonly address: string }[]
  readonly canonical: boolean
  readonly visibility: 'Public' | 'Namespace'
  readonly ipFamilies: 'Dual' | 'IPv4' | 'IPv6' | undefined
  /** The first workload IP of each endpoint whose workload is known, per family. */
  readonly endpointAddresses: (family: 'IPv4' | 'IPv6') => readonly string[]
}

export interface ServiceLookup {
  /** In store order: by arrival, a full update moves a service to the end. */
  readonly servicesByHostname: (hostname: string) => readonly DnsService[]
}

export interface MatchSettings {
  /** CLUSTER_DOMAIN. */
  readonly clusterDomain: string
  /** PREFERED_SERVICE_NAMESPACE, spelled so. */
  readonly preferredNamespace: string | undefined
  /** The search list of a dedicated proxy; by default that of a pod in the client's namespace. */
  readonly search?: readonly string[]
}

export interface Alias {
  readonly name: string
  /** Set when a search domain was taken off: what was left. */
  readonly stripped: string | undefined
}

export interface Match {
  readonly service: DnsService
  readonly stripped: string | undefined
  readonly wildcard: boolean
}

export function matchService(
  name: string,
  clientNamespace: string,
  services: ServiceLookup,
  settings: MatchSettings
): Match | undefined {
  for (const alias of aliases(name, clientNamespace, settings)) {
    for (const candidate of candidates(alias.name)) {
      const visible = services
        .servicesByHostname(candidate)
        .filter(service => isVisible(service, clientNamespace, settings))
      const service = choose(visible, clientNamespace, settings)
      if (service !== undefined) {
        return { service, stripped: alias.stripped, wildcard: candidate.startsWith('*.') }
      }
    }
  }
  return undefined
}

/** Step 1: the name, its expansions, and the same for what is left without each search domain. */
export function aliases(name: string, clientNamespace: string, settings: MatchSettings): readonly Alias[] {
  const domain = settings.clusterDomain
  const search = settings.search ?? [`${clientNamespace}.svc.${domain}`, `svc.${domain}`, domain]
  const whole = [name, ...expansions(name, clientNamespace, domain)].map(alias => ({
    name: alias,
    stripped: undefined
  }))
  const withoutSearch = search
    .filter(suffix => name.endsWith(`.${suffix}`))
    .flatMap(suffix => {
      const stripped = name.slice(0, -suffix.length - 1)
      return [stripped, ...expansions(stripped, clientNamespace, domain)].map(alias => ({ name: alias, stripped }))
    })
  return [...whole, ...withoutSearch]
}

function expansions(name: string, namespace: string, domain: string): readonly string[] {
  const labels = name.split('.')
  switch (labels.length) {
    case 1:
      return [`${name}.${namespace}.svc.${domain}`]
    case 2:
      return [`${name}.svc.${domain}`, `${name}.${namespace}.svc.${domain}`]
    case 3:
      return labels[2] === 'svc' ? [`${name}.${domain}`, `${name}.svc.${domain}`] : [`${name}.svc.${domain}`]
    case 4:
      return labels[3] === 'svc' ? [`${name}.${domain}`] : []
    default:
      return []
  }
}

/** Step 2: the alias, then with its first label replaced by `*`, one label fewer each time. `*` alone never matches. */
export function candidates(alias: string): readonly string[] {
  const found = [alias]
  for (let rest = alias, dot = rest.indexOf('.'); dot !== -1; dot = rest.indexOf('.')) {
    rest = rest.slice(dot + 1)
    found.push(`*.${rest}`)
  }
  return found
}

/** Step 3. An external service without addresses is not ours to answer. */
function isVisible(service: DnsService, clientNamespace: string, { clusterDomain }: MatchSettings): boolean {
  if (service.vips.length === 0 && !service.hostname.endsWith(`.svc.${clusterDomain}`)) return false
  return service.visibility === 'Public' || service.namespace === clientNamespace
}

/** Step 4. */
function choose(
  services: readonly DnsService[],
  clientNamespace: string,
  { preferredNamespace }: MatchSettings
): DnsService | undefined {
  return (
    services.find(({ namespace }) => namespace === clientNamespace) ??
    services.findLast(({ canonical }) => canonical) ??
    services.findLast(({ namespace }) => namespace === preferredNamespace) ??
    services[0]
  )
}

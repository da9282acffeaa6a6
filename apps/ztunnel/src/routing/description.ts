import { parseServiceKey, type Service, serviceKey, type Workload } from '@culvert/workloads'
import { whoIs } from './address-lookup.ts'
import type { Decision } from './question.ts'
import type { RoutingContext } from './route.ts'

/** The values of the `baggage` header and of the labels made from it (docs/spec/hbone.md 1.4). */
export interface WorkloadDescription {
  readonly cluster: string
  readonly namespace: string
  readonly workloadType: string
  readonly workloadName: string
  readonly canonicalName: string
  readonly canonicalRevision: string
  readonly region: string
  readonly zone: string
}

export function describeWorkload(workload: Workload): WorkloadDescription {
  const { clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, locality } = workload
  const { region, zone } = locality
  return { cluster: clusterId, namespace, workloadType, workloadName, canonicalName, canonicalRevision, region, zone }
}

/**
 * Who sent an inbound connection, for labels and the log. A connection from another network's gateway shows an address
 * of that network, which says nothing here: then nobody (docs/spec/hbone.md 1.3).
 */
export function* sourceOfInbound(
  context: RoutingContext,
  { ip, forwardedNetwork }: { readonly ip: string; readonly forwardedNetwork?: string | undefined }
): Decision<Workload | undefined> {
  const isForeign =
    forwardedNetwork !== undefined && asciiLowerCase(forwardedNetwork) !== asciiLowerCase(context.network)
  if (isForeign) return undefined
  const found = yield* whoIs(context, { network: context.network, ip })
  return found?.kind === 'workload' ? found.workload : undefined
}

/**
 * The service an inbound connection was meant for, for labels: the one that `forwarded` names, else the first with an
 * endpoint on this port, among the services of the local workload only (docs/spec/observability-dns.md 5.3).
 */
export function serviceOfInbound(
  { index }: Pick<RoutingContext, 'index'>,
  local: Workload,
  { forwardedHost, port }: { readonly forwardedHost?: string | undefined; readonly port: number }
): Service | undefined {
  let byPort: Service | undefined
  for (const key of local.services.keys()) {
    const host = parseServiceKey(key)
    const service = host && index.service(host)
    if (service === undefined) continue
    if (service.hostname === forwardedHost) return service
    byPort ??= servesOn(service, local, port) ? service : undefined
  }
  return byPort
}

function servesOn(service: Service, local: Workload, port: number): boolean {
  const targets = [...service.ports.values(), ...(local.services.get(serviceKey(service))?.values() ?? [])]
  return targets.includes(port)
}

const asciiLowerCase = (text: string): string => text.replace(/[A-Z]/g, letter => letter.toLowerCase())

import { type GatewayDestination, isHostname, type Service, serviceKey, type Workload } from '@culvert/workloads'
import type { Decision } from './question.ts'
import type { RoutingContext } from './route.ts'

export type Found =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service }

/** "Who is this": the workload on an address before the service (docs/spec/workload-xds.md 3.4). */
export function* whoIs(
  context: RoutingContext,
  { network, ip, clientNamespace }: { network: string; ip: string; clientNamespace?: string }
): Decision<Found | undefined> {
  return yield* demanding(context, `${network}/${ip}`, () => addressHolder(context, network, ip, clientNamespace))
}

/** What a waypoint or gateway reference names. */
export function* whatIsReferred(
  context: RoutingContext,
  destination: GatewayDestination,
  clientNamespace?: string
): Decision<Found | undefined> {
  if (!isHostname(destination)) return yield* whoIs(context, withClient(destination, clientNamespace))
  return yield* demanding(context, serviceKey(destination), () => {
    const service = context.index.service(destination)
    return service ? { kind: 'service', service } : foundWorkload(context.index.workloadByHostname(destination))
  })
}

/** In on-demand mode a name that is missing is asked for, once, before it counts as missing. */
function* demanding<Result>(
  { onDemand }: RoutingContext,
  name: string,
  lookUp: () => Result | undefined
): Decision<Result | undefined> {
  const known = lookUp()
  if (known !== undefined || !onDemand) return known
  yield { kind: 'demand', name }
  return lookUp()
}

function addressHolder({ index }: RoutingContext, network: string, ip: string, clientNamespace?: string) {
  const workload = foundWorkload(index.workloadByIp(network, ip))
  if (workload) return workload
  const service = index.serviceByVip(network, ip, clientNamespace)
  return service && ({ kind: 'service', service } as const)
}

const foundWorkload = (workload: Workload | undefined): Found | undefined => workload && { kind: 'workload', workload }

const withClient = (at: { network: string; ip: string }, clientNamespace: string | undefined) =>
  clientNamespace === undefined ? at : { ...at, clientNamespace }

import type { KnownEndpoint, PortMap, RoutingScopeName, Service, Workload } from '@culvert/workloads'
import { draw } from './draw.ts'
import type { RoutingContext } from './route.ts'

/** A workload chosen for a connection, and the port to reach it on. */
export interface Upstream {
  readonly workload: Workload
  readonly port: number
  /** The service that was balanced over. */
  readonly service?: Service
}

/** Ports of waypoints need not be among their service's: an application tunnel takes any. */
export type Resolution = 'standard' | 'waypoint'

/** For whom an endpoint of what is chosen. */
export interface Choice {
  readonly source: Workload
  readonly service: Service
  readonly port: number
  readonly resolution: Resolution
}

/** Why an endpoint takes no part in a choice. */
export type Unfit = 'has no address' | 'does not serve the port' | 'misses a preference of a strict service'

/** One endpoint of a service for one connection: docs/spec/hbone.md 2.4. */
export function chooseEndpoint(
  { index, random, onChoice }: Pick<RoutingContext, 'index' | 'random' | 'onChoice'>,
  choice: Choice
): Upstream | undefined {
  const { service, port } = choice
  if (mayNotBeBalanced(choice)) return undefined
  const preferences = preferencesOf(service)

  let best: KnownEndpoint[] = []
  let leader = -1
  for (const endpoint of index.endpointsOf(service)) {
    const rank = judge(endpoint, choice, preferences)
    if (typeof rank === 'string' || rank < leader) continue
    if (rank > leader) [best, leader] = [[], rank]
    best.push(endpoint)
  }
  const chosen = draw(best, ({ capacity }) => capacity, random)
  onChoice?.(choice, chosen?.workload)
  if (chosen === undefined) return undefined
  const { workload } = chosen
  const target = targetPort(workload, chosen.port, service, port)
  return target === undefined ? undefined : { workload, port: target, service }
}

/** What each endpoint of a service is worth to a choice: only those of the highest rank are drawn from. */
export function* judgeEndpoints(
  { index }: Pick<RoutingContext, 'index'>,
  choice: Choice
): Generator<{ readonly workload: Workload; readonly rank: number | Unfit }> {
  const preferences = preferencesOf(choice.service)
  for (const endpoint of index.endpointsOf(choice.service)) {
    yield { workload: endpoint.workload, rank: judge(endpoint, choice, preferences) }
  }
}

const mayNotBeBalanced = ({ service, port, resolution }: Choice): boolean =>
  service.loadBalancer?.mode === 'Passthrough' || (resolution === 'standard' && !service.ports.has(port))

/** Those that count: with the standard mode none does. */
export const preferencesOf = ({ loadBalancer }: Service): readonly RoutingScopeName[] =>
  loadBalancer === undefined || loadBalancer.mode === 'Standard' ? [] : loadBalancer.routingPreferences

/** Asks the endpoint before its workload: a service may have thousands, and each workload would have to be made. */
function judge(endpoint: KnownEndpoint, choice: Choice, preferences: readonly RoutingScopeName[]): number | Unfit {
  const { source, service } = choice
  if (!isReachable(endpoint, source)) return 'has no address'
  if (!servesPort(endpoint, choice)) return 'does not serve the port'
  if (preferences.length === 0) return 0
  const strict = service.loadBalancer?.mode === 'Strict'
  const { workload } = endpoint
  return rankOf({ workload, source, preferences, strict }) ?? 'misses a preference of a strict service'
}

/** Without an address of any kind only a gateway in another network can reach it. */
function isReachable(endpoint: KnownEndpoint, source: Workload): boolean {
  if (endpoint.isAddressed) return true
  const { network, networkGateway } = endpoint.workload
  return network !== source.network && networkGateway !== undefined
}

function servesPort(endpoint: KnownEndpoint, { service, port, resolution }: Choice): boolean {
  if (resolution === 'waypoint') return service.ports.has(port) || endpoint.workload.applicationTunnel !== undefined
  return (service.ports.get(port) ?? 0) !== 0 || endpoint.port.has(port)
}

/** Preferences matched in order up to the first mismatch; undefined when a strict service rules the endpoint out. */
function rankOf({
  workload,
  source,
  preferences,
  strict
}: {
  workload: Workload
  source: Workload
  preferences: readonly RoutingScopeName[]
  strict: boolean
}): number | undefined {
  const networkFirst = preferences[0] === 'Network'
  let matched = 0
  let bonus = 0
  for (const [position, scope] of preferences.entries()) {
    const isLeadingNetwork = networkFirst && position === 0
    if (isIn(scope, workload, source)) {
      matched++
      // Any endpoint of the own network beats every remote one, however close that is otherwise.
      if (isLeadingNetwork) bonus = preferences.length - 1
    } else if (!isLeadingNetwork) {
      break
    }
  }
  return strict && matched < preferences.length ? undefined : matched + bonus
}

function isIn(scope: RoutingScopeName, workload: Workload, source: Workload): boolean {
  switch (scope) {
    case 'Region':
      return workload.locality.region === source.locality.region
    case 'Zone':
      return workload.locality.zone === source.locality.zone
    case 'Subzone':
      return workload.locality.subzone === source.locality.subzone
    case 'Node':
      return workload.node === source.node
    case 'Cluster':
      return workload.clusterId === source.clusterId
    case 'Network':
      return workload.network === source.network
  }
}

function targetPort(workload: Workload, ports: PortMap, service: Service, port: number): number | undefined {
  const own = ports.get(port)
  if (own !== undefined) return own
  const target = service.ports.get(port)
  if (target !== undefined && target !== 0) return target
  return workload.applicationTunnel?.port === undefined ? undefined : port
}

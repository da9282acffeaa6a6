import type { Authorizer } from '@culvert/authorization'
import { formatSpiffeId, parseSpiffeId, type SpiffeId } from '@culvert/spiffe'
import { serviceKey, type Workload, workloadIdentity } from '@culvert/workloads'
import {
  type Answers,
  decide,
  endpointText,
  type OutboundRequest,
  type OutboundRoute,
  refuseOutboundSelfCall,
  routeInbound,
  routeOutbound,
  type RoutingContext,
  type SocketAddress
} from '../routing/index.ts'
import { type ChoiceExplanation, explainChoice } from './explain-choice.ts'
import { explainVerdict, type PolicyExplanation } from './explain-verdict.ts'
import { type Lookup, tracedIndex } from './traced-index.ts'

export interface ExplainContext {
  readonly routing: RoutingContext
  readonly authorizer: Pick<Authorizer, 'explain'>
  /** For workloads that have only a hostname. Nothing is asked of the control plane. */
  readonly resolve: Answers['resolve']
}

export interface OutboundExplanation {
  /** Null for what is not in the mesh. */
  readonly source: { readonly uid: string | null; readonly address: string; readonly identity: string | null }
  readonly destination: string
  /** What was looked up, in order. */
  readonly lookups: readonly Lookup[]
  /** Each choice among endpoints: of the service, of a waypoint, of a gateway. */
  readonly choices: readonly ChoiceExplanation[]
  readonly decision: DecisionExplanation
  /** What the proxy at the far end does with it, as far as that is known here. */
  readonly farEnd?: InboundExplanation
}

export interface DecisionExplanation {
  readonly kind: 'refuse' | 'plain' | 'hbone' | 'double-hbone' | 'not-captured'
  readonly why: string
  readonly to?: string
  readonly authority?: string
  readonly service?: string
  /** The endpoint or the waypoint. */
  readonly upstream?: string
  readonly gateway?: string
  readonly ourIdentity?: string
  readonly expectedIdentities?: readonly string[]
  readonly innerExpectedIdentities?: readonly string[]
}

export interface InboundExplanation {
  readonly workload: string
  readonly kind: 'refuse' | 'accept'
  readonly why: string
  /** Where it connects, after service ports and application tunnels. */
  readonly to?: string
  readonly peerIdentity: string | null
  readonly policies?: PolicyExplanation
}

/** Each step that a connection of this source would take now, and why: docs/spec/hbone.md 2.2, then 3. */
export async function explainOutbound(context: ExplainContext, request: OutboundRequest): Promise<OutboundExplanation> {
  const { source, sourceIp, destination } = request
  const lookups: Lookup[] = []
  const choices: ChoiceExplanation[] = []
  const route = await decideOutbound(context, request, {
    lookup: lookup => lookups.push(lookup),
    choice: (choice, chosen) => choices.push(explainChoice(context.routing, choice, chosen))
  })
  const farEnd = await explainFarEnd(context, request, route)
  return {
    source: { uid: source.uid, address: sourceIp, identity: workloadIdentity(source) },
    destination: endpointText(destination),
    lookups,
    choices,
    decision: describe(route, request),
    ...(farEnd && { farEnd })
  }
}

/** What becomes of a connection that no proxy takes where it begins: it arrives as it is, without an identity. */
export async function explainUncaptured(
  context: ExplainContext,
  request: {
    /** Undefined: nobody knows the address. */
    readonly source: Workload | undefined
    readonly sourceIp: string
    readonly destination: SocketAddress
  }
): Promise<OutboundExplanation> {
  const { source, sourceIp, destination } = request
  const { network } = context.routing
  const lookups: Lookup[] = []
  const target = tracedIndex(context.routing.index, lookup => lookups.push(lookup)).workloadByIp(
    network,
    destination.ip
  )
  const farEnd =
    target !== undefined && isCaptured(target)
      ? await explainInbound(context, {
          local: target,
          localIp: destination.ip,
          sourceIp,
          target: destination,
          identity: undefined
        })
      : undefined
  return {
    source: { uid: source?.uid ?? null, address: sourceIp, identity: null },
    destination: endpointText(destination),
    lookups,
    choices: [],
    decision: {
      kind: 'not-captured',
      why: `${source?.uid ?? sourceIp} is not in the mesh: its connections leave as they are`,
      to: endpointText(destination),
      ...(target && { upstream: target.uid })
    },
    ...(farEnd && { farEnd })
  }
}

/** Whether a proxy takes the connections of this workload, and those to it. */
export const isCaptured = ({ protocol }: Workload): boolean => protocol === 'HBONE'

async function decideOutbound(
  { routing, resolve }: ExplainContext,
  request: OutboundRequest,
  tell: { readonly lookup: (lookup: Lookup) => void; readonly choice: NonNullable<RoutingContext['onChoice']> }
): Promise<OutboundRoute> {
  const refused = refuseOutboundSelfCall(routing, request.destination)
  if (refused !== undefined) return refused
  const traced = { ...routing, index: tracedIndex(routing.index, tell.lookup), onChoice: tell.choice }
  return await decide(routeOutbound(traced, request), answersOf(resolve, tell.lookup))
}

const answersOf = (resolve: Answers['resolve'], tell: (lookup: Lookup) => void): Answers => ({
  async demand(name) {
    tell({ asked: `the control plane for ${name} (not done for an explanation)`, found: null })
  },
  async resolve(workload) {
    const found = await resolve(workload)
    tell({ asked: `DNS for ${workload.hostname}`, found: found?.join(', ') ?? null })
    return found
  }
})

function describe(
  route: OutboundRoute,
  { source, destination }: { source: Workload; destination: SocketAddress }
): DecisionExplanation {
  if (route.kind === 'refuse') return { kind: 'refuse', why: route.message }
  const known = {
    to: endpointText(route.to),
    ...(route.service && { service: serviceKey(route.service) }),
    ...(route.upstream && { upstream: route.upstream.uid })
  }
  if (route.kind === 'plain') {
    const why =
      route.upstream === undefined
        ? `nothing in the mesh balances or has ${destination.ip}: passed through as it is`
        : `${route.upstream.uid} speaks plain TCP only`
    return { kind: 'plain', why, ...known }
  }
  const tunnel = {
    ...known,
    authority: route.authority,
    ourIdentity: workloadIdentity(source),
    expectedIdentities: route.expectedIdentities
  }
  if (route.kind === 'hbone') {
    const why =
      route.authority === endpointText(destination) && route.to.ip !== destination.ip
        ? `${route.upstream.uid} is the waypoint of the destination`
        : `${route.upstream.uid} speaks HBONE`
    return { kind: 'hbone', why, ...tunnel }
  }
  return {
    kind: 'double-hbone',
    why: `${route.upstream.uid} is on network ${JSON.stringify(route.upstream.network)}, behind the gateway ${route.gateway.uid}`,
    ...tunnel,
    gateway: route.gateway.uid,
    innerExpectedIdentities: route.innerExpectedIdentities
  }
}

/** Another network's policies are not known here; without a workload there are none; plain TCP meets no proxy. */
async function explainFarEnd(
  context: ExplainContext,
  { source, sourceIp }: { source: Workload; sourceIp: string },
  route: OutboundRoute
): Promise<InboundExplanation | undefined> {
  if (route.kind !== 'hbone') return undefined
  return await explainInbound(context, {
    local: route.upstream,
    localIp: route.to.ip,
    sourceIp,
    target: route.authority,
    identity: parseSpiffeId(workloadIdentity(source))
  })
}

/** What the proxy of a workload does with a connection that arrives: docs/spec/hbone.md 3 and 4. */
export async function explainInbound(
  { routing, authorizer, resolve }: ExplainContext,
  request: {
    readonly local: Workload
    readonly localIp: string
    readonly sourceIp: string
    /** The CONNECT's authority, or where a plaintext connection goes. */
    readonly target: string | SocketAddress
    readonly identity: SpiffeId | undefined
  }
): Promise<InboundExplanation> {
  const { local, localIp, sourceIp, target, identity } = request
  const known = {
    workload: local.uid,
    peerIdentity: identity ? formatSpiffeId(identity) : null
  }
  const route =
    typeof target === 'string'
      ? await decide(
          routeInbound(routing, { method: 'CONNECT', authority: target, localIp, local }),
          answersOf(resolve, () => undefined)
        )
      : ({ kind: 'accept', destination: target, to: target } as const)
  if (route.kind === 'refuse') return { ...known, kind: 'refuse', why: route.message }
  const connection = { source: { ip: sourceIp }, destination: route.destination, ...(identity && { identity }) }
  const trace = authorizer.explain(local, connection)
  const policies = explainVerdict(trace)
  const { verdict } = trace
  return {
    ...known,
    kind: verdict.allowed ? 'accept' : 'refuse',
    why: verdict.allowed ? policies.why : `policy rejection: ${verdict.reason}`,
    to: endpointText(route.to),
    policies
  }
}

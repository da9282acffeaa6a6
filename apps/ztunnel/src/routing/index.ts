/**
 * Where connections go: from the index, the local workload and a destination to a route, as values.
 *
 * A decision is a generator so that it can ask for what the index lacks (DNS for workloads without an address, names
 * to demand); `decide` drives it and returns at once when nothing had to be asked:
 *
 *     const refused = refuseSelfCall(context, destination)            // before the local workload is looked up
 *     const route = await decide(routeOutbound(context, { source, sourceIp, destination }), answers)
 *     if (route.kind === 'refuse') log.warn('connection failed', { error: route.message })
 *
 * Inbound: `parseAuthority` and the method first (400), then the local workload (503), then the rest:
 *
 *     const early = refuseRequest(request.method, request.authority)
 *     const route = await decide(routeInbound(context, { method, authority, localIp, local }), answers)
 */
export { type Answers, type Decision, decide, type Question, type QuestionAnswer } from './question.ts'
export { endpointText, type Refusal, type RefusalCode, unknownSourceWorkload } from './refusal.ts'
export type {
  AcceptedRoute,
  DoubleHboneRoute,
  HboneRoute,
  InboundRequest,
  InboundRoute,
  OutboundRequest,
  OutboundRoute,
  PlainRoute,
  RoutingContext,
  SocketAddress
} from './route.ts'

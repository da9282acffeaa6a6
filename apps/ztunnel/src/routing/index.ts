/**
 * Where connections go: from the index, the local workload and a destination to a route, as values.
 *
 * A decision is a generator, so that it can ask for what the index lacks (DNS for workloads without an address, names
 * to demand); `decide` drives it and returns at once when nothing had to be asked. Outbound, docs/spec/hbone.md 2.2:
 *
 *     const refused = refuseOutboundSelfCall(context, destination)   // before the local workload is looked up
 *     const route = await decide(routeOutbound(context, { source, sourceIp, destination }), answers)
 *     if (route.kind === 'refuse') log.warn('connection failed', { error: route.message })
 *
 * Inbound HBONE, 3.1: what needs no local workload first, then the rest, then policies on `route.destination`:
 *
 *     const refused = refuseRequest({ method, authority })           // 400
 *     const route = await decide(routeInbound(context, { method, authority, localIp, local }), answers)
 *
 * Inbound plaintext, 4: `refuseInboundSelfCall`, then policies, then the original destination itself.
 */
export { type Choice, judgeEndpoints, preferencesOf } from './choose-endpoint.ts'
export { describeWorkload, serviceOfInbound, sourceOfInbound } from './description.ts'
export { refuseRequest, routeInbound } from './inbound.ts'
export { routeOutbound } from './outbound.ts'
export { refuseInboundSelfCall, refuseOutboundSelfCall } from './self-call.ts'
export { type Answers, decide } from './question.ts'
export { endpointText, unknownSourceWorkload } from './refusal.ts'
export type {
  AcceptedRoute,
  DoubleHboneRoute,
  HboneRoute,
  OutboundRequest,
  OutboundRoute,
  PlainRoute,
  RoutingContext,
  SocketAddress
} from './route.ts'

import type { AddressUpdate } from '@culvert/workloads'
import { ports, type serviceUpdate, type workloadUpdate } from '@culvert/workloads/testing'
import { client, clientUpdate, contextOf, decideAtOnce, type TestContext } from './context.test-helper.ts'
import { routeOutbound } from './outbound.ts'
import type { OutboundRoute, SocketAddress } from './route.ts'

export const host = 'stock.shop.svc.mesh.acme'
export const key: string = `shop/${host}`
export const vip = { network: '', ip: '10.200.5.9' }
export const stockPod: Parameters<typeof workloadUpdate>[0] = {
  uid: 'c//Pod/shop/stock',
  serviceAccount: 'stock',
  trustDomain: 'mesh.acme',
  workloadIps: ['10.61.4.20'],
  services: new Map([[key, ports({ 80: 8080 })]])
}
export const stock: Parameters<typeof serviceUpdate>[0] = { hostname: host, vips: [vip] }
export const toVip: SocketAddress = { ip: vip.ip, port: 80 }
export const toPod: SocketAddress = { ip: '10.61.4.20', port: 9000 }

export function route(context: TestContext, destination: SocketAddress): OutboundRoute {
  const source = context.index.workload(client.uid)!
  return decideAtOnce(routeOutbound(context, { source, sourceIp: client.workloadIps[0], destination }))
}

/** What matters of a route, without the records in it. */
export function brief(found: OutboundRoute): Record<string, unknown> {
  if (found.kind === 'refuse') return { kind: found.kind, message: found.message }
  const { upstream, service, ...rest } = found
  const gateway = found.kind === 'double-hbone' ? { gateway: found.gateway.uid } : {}
  return { ...rest, ...gateway, upstream: upstream?.uid, service: service?.hostname }
}

export const decided = (updates: readonly AddressUpdate[], destination: SocketAddress): Record<string, unknown> =>
  brief(route(contextOf([clientUpdate, ...updates]), destination))

export const passthrough = (to: SocketAddress): Record<string, unknown> => ({
  kind: 'plain',
  to,
  upstream: undefined,
  service: undefined
})
export const refusal = (message: string): Record<string, unknown> => ({ kind: 'refuse', message })

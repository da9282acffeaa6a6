import { type AddressUpdate, type GatewayAddress, workloadIdentity } from '@culvert/workloads'
import { aWorkload, ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { client, clientUpdate, contextOf, decideAsking, decideAtOnce, type TestContext } from './context.test-helper.ts'
import { routeOutbound } from './outbound.ts'
import type { OutboundRoute, SocketAddress } from './route.ts'
import { refuseInboundSelfCall, refuseOutboundSelfCall } from './self-call.ts'

const host = 'stock.shop.svc.mesh.acme'
const key = `shop/${host}`
const vip = { network: '', ip: '10.200.5.9' }
const stockIdentity = 'spiffe://mesh.acme/ns/shop/sa/stock'
const stockPod = {
  uid: 'c//Pod/shop/stock',
  serviceAccount: 'stock',
  trustDomain: 'mesh.acme',
  workloadIps: ['10.61.4.20'],
  services: new Map([[key, ports({ 80: 8080 })]])
}
const stock = { hostname: host, vips: [vip] }
const toVip: SocketAddress = { ip: vip.ip, port: 80 }
const toPod: SocketAddress = { ip: '10.61.4.20', port: 9000 }

function route(context: TestContext, destination: SocketAddress): OutboundRoute {
  const source = context.index.workload(client.uid)!
  return decideAtOnce(routeOutbound(context, { source, sourceIp: client.workloadIps[0], destination }))
}

/** What matters of a route, without the records in it. */
function brief(found: OutboundRoute): Record<string, unknown> {
  if (found.kind === 'refuse') return { kind: found.kind, message: found.message }
  const { upstream, service, ...rest } = found
  const gateway = found.kind === 'double-hbone' ? { gateway: found.gateway.uid } : {}
  return { ...rest, ...gateway, upstream: upstream?.uid, service: service?.hostname }
}

const decided = (updates: readonly AddressUpdate[], destination: SocketAddress): Record<string, unknown> =>
  brief(route(contextOf([clientUpdate, ...updates]), destination))

const passthrough = (to: SocketAddress) => ({ kind: 'plain', to, upstream: undefined, service: undefined })
const refusal = (message: string) => ({ kind: 'refuse', message })

describe('without waypoints', () => {
  it('[hbone-19] passes through what the mesh does not know', () => {
    expect(decided([], { ip: '192.0.2.1', port: 443 })).toEqual(passthrough({ ip: '192.0.2.1', port: 443 }))
  })

  it('tunnels to an endpoint of the service', () => {
    expect(decided([serviceUpdate(stock), workloadUpdate(stockPod)], toVip)).toEqual({
      kind: 'hbone',
      to: { ip: '10.61.4.20', port: 15008 },
      authority: '10.61.4.20:8080',
      expectedIdentities: [stockIdentity],
      upstream: stockPod.uid,
      service: host
    })
  })

  it('expects the service first, then the pod; names that are no identities count nothing', () => {
    const subjectAltNames = ['spiffe://mesh.acme/ns/a/sa/b', 'stock.example', 'spiffe://mesh.acme/x']
    expect(decided([serviceUpdate({ ...stock, subjectAltNames }), workloadUpdate(stockPod)], toVip)).toMatchObject({
      expectedIdentities: ['spiffe://mesh.acme/ns/a/sa/b', stockIdentity]
    })
  })

  it('dials pods that do not speak HBONE as they are', () => {
    const plain = { ...stockPod, protocol: 'TCP' } as const
    expect(decided([serviceUpdate(stock), workloadUpdate(plain)], toVip)).toEqual({
      kind: 'plain',
      to: { ip: '10.61.4.20', port: 8080 },
      upstream: stockPod.uid,
      service: host
    })
  })

  it('reaches a pod by its address at the port that was asked for, of no service', () => {
    expect(decided([serviceUpdate(stock), workloadUpdate(stockPod)], toPod)).toEqual({
      kind: 'hbone',
      to: { ip: '10.61.4.20', port: 15008 },
      authority: '10.61.4.20:9000',
      expectedIdentities: [stockIdentity],
      upstream: stockPod.uid,
      service: undefined
    })
  })

  it.each<[string, AddressUpdate[], SocketAddress]>([
    ['nobody', [serviceUpdate(stock)], toVip],
    ['nobody healthy', [serviceUpdate(stock), workloadUpdate({ ...stockPod, status: 'Unhealthy' })], toVip],
    ['no such port', [serviceUpdate(stock), workloadUpdate(stockPod)], { ip: vip.ip, port: 81 }]
  ])('[hbone-20] refuses a service with %s', (_title, updates, destination) => {
    const text = `no healthy upstream: ${destination.ip}:${destination.port}`
    expect(decided(updates, destination)).toEqual(refusal(text))
  })

  it('writes IPv6 in brackets', () => {
    const v6 = { network: '', ip: 'fd00::9' }
    expect(decided([serviceUpdate({ ...stock, vips: [v6] })], { ip: 'fd00::9', port: 80 })).toEqual(
      refusal('no healthy upstream: [fd00::9]:80')
    )
    const pod = { ...stockPod, workloadIps: ['fd00::20'] }
    expect(decided([workloadUpdate(pod)], { ip: 'fd00::20', port: 81 })).toMatchObject({ authority: '[fd00::20]:81' })
  })

  it('[hbone-21] passes through to a passthrough service, whoever else may serve it', () => {
    const loadBalancer = { routingPreferences: [], mode: 'Passthrough', healthPolicy: 'AllowAll' } as const
    const service = serviceUpdate({ ...stock, loadBalancer })
    expect(decided([service], toVip)).toEqual(passthrough(toVip))
    expect(decided([service, workloadUpdate(stockPod)], toVip)).toEqual(passthrough(toVip))
  })

  it('[hbone-23] reaches a host-network pod through its service, not by its address', () => {
    const pod = { ...stockPod, workloadIps: ['192.168.0.4'], networkMode: 'HostNetwork', protocol: 'TCP' } as const
    const updates = [serviceUpdate(stock), workloadUpdate(pod)]
    expect(decided(updates, toVip)).toMatchObject({
      kind: 'plain',
      to: { ip: '192.168.0.4', port: 8080 },
      upstream: pod.uid
    })
    expect(decided(updates, { ip: '192.168.0.4', port: 8080 })).toEqual(passthrough({ ip: '192.168.0.4', port: 8080 }))
  })

  it.each([
    { families: 'IPv6', ips: ['10.61.4.20', 'fd00::20'], ip: 'fd00::20' },
    { families: 'Dual', ips: ['fd00::20', '10.61.4.20'], ip: '10.61.4.20' },
    { families: undefined, ips: ['fd00::20', '10.61.4.20'], ip: '10.61.4.20' },
    { families: 'Dual', ips: ['fd00::20'], ip: 'fd00::20' }
  ] as const)('[hbone-24] a $families service over $ips is reached at $ip', ({ families, ips, ip }) => {
    const service = serviceUpdate({ ...stock, ...(families && { ipFamilies: families }) })
    expect(decided([service, workloadUpdate({ ...stockPod, workloadIps: ips })], toVip)).toMatchObject({
      to: { ip, port: 15008 }
    })
  })

  it('refuses an endpoint none of whose addresses the service allows', () => {
    const service = serviceUpdate({ ...stock, ipFamilies: 'IPv6' })
    expect(decided([service, workloadUpdate(stockPod)], toVip)).toEqual(
      refusal('no valid routing destination for workload: Workload{stock with uid c//Pod/shop/stock (HBONE)}')
    )
  })

  it('[hbone-25] tunnels between pods of one node', () => {
    const context = contextOf([clientUpdate, workloadUpdate(stockPod)])
    expect(context.index.workload(stockPod.uid)?.node).toBe(context.index.workload(client.uid)?.node)
    expect(route(context, toPod)).toMatchObject({ kind: 'hbone' })
  })

  it('[workload-xds-17] balances over the service whose address a workload has too, and forgets the service for the rest', () => {
    const both = { ...stockPod, uid: 'c//Pod/shop/both', workloadIps: [vip.ip], services: new Map() }
    const updates = [serviceUpdate(stock), workloadUpdate(stockPod), workloadUpdate(both)]
    expect(decided(updates, toVip)).toMatchObject({ upstream: stockPod.uid, authority: '10.61.4.20:8080' })
    expect(decided([serviceUpdate(stock), workloadUpdate(both)], toVip)).toEqual(passthrough(toVip))
  })

  it('hides services of other namespaces that are not for everyone', () => {
    const hidden = serviceUpdate({ ...stock, namespace: 'other', visibility: 'Namespace' })
    expect(decided([hidden], toVip)).toEqual(passthrough(toVip))
  })
})

describe('through waypoints', () => {
  const waypointHost = 'wp.shop.svc.mesh.acme'
  const byHostname: GatewayAddress = {
    destination: { namespace: 'shop', hostname: waypointHost },
    hboneMtlsPort: 15008
  }
  const byAddress: GatewayAddress = { destination: { network: '', ip: '10.200.5.1' }, hboneMtlsPort: 15008 }
  const waypointService = serviceUpdate({
    hostname: waypointHost,
    vips: [{ network: '', ip: '10.200.5.1' }],
    ports: ports({ 15008: 15008 }),
    subjectAltNames: ['spiffe://mesh.acme/ns/shop/sa/wp-extra']
  })
  const waypointPod = {
    uid: 'c//Pod/shop/wp-1',
    serviceAccount: 'wp',
    trustDomain: 'mesh.acme',
    workloadIps: ['10.61.9.1'],
    services: new Map([[`shop/${waypointHost}`, ports({ 15008: 15008 })]])
  }
  const waypointIdentities = ['spiffe://mesh.acme/ns/shop/sa/wp-extra', 'spiffe://mesh.acme/ns/shop/sa/wp']
  const waypoint = [waypointService, workloadUpdate(waypointPod)]
  const viaWaypoint = {
    kind: 'hbone',
    to: { ip: '10.61.9.1', port: 15008 },
    expectedIdentities: waypointIdentities,
    upstream: waypointPod.uid
  }

  it.each([
    ['hostname', byHostname],
    ['address', byAddress]
  ])('asks the waypoint of a service, named by %s, for the address that was asked for', (_title, reference) => {
    const updates = [...waypoint, serviceUpdate({ ...stock, waypoint: reference }), workloadUpdate(stockPod)]
    expect(decided(updates, toVip)).toEqual({ ...viaWaypoint, authority: '10.200.5.9:80', service: host })
  })

  it('[hbone-21] asks it for a passthrough service too', () => {
    const loadBalancer = { routingPreferences: [], mode: 'Passthrough', healthPolicy: 'AllowAll' } as const
    const updates = [...waypoint, serviceUpdate({ ...stock, waypoint: byHostname, loadBalancer })]
    expect(decided(updates, toVip)).toMatchObject({ ...viaWaypoint, authority: '10.200.5.9:80' })
  })

  it('[hbone-22] asks the waypoint of a pod that is called by its address, not through a service', () => {
    const updates = [...waypoint, serviceUpdate(stock), workloadUpdate({ ...stockPod, waypoint: byHostname })]
    expect(decided(updates, toPod)).toEqual({ ...viaWaypoint, authority: '10.61.4.20:9000', service: undefined })
    expect(decided(updates, toVip)).toMatchObject({ upstream: stockPod.uid, authority: '10.61.4.20:8080' })
  })

  it.each([
    ['hostname', byHostname, waypointHost],
    ['address', byAddress, '10.200.5.1']
  ])('never goes around a waypoint that is not there, named by %s', (_title, reference, name) => {
    const text = refusal(`unknown waypoint: waypoint ${name} not found`)
    expect(decided([serviceUpdate({ ...stock, waypoint: reference }), workloadUpdate(stockPod)], toVip)).toEqual(text)
    expect(decided([workloadUpdate({ ...stockPod, waypoint: reference })], toPod)).toEqual(text)
    const empty = [waypointService, serviceUpdate({ ...stock, waypoint: reference }), workloadUpdate(stockPod)]
    expect(decided(empty, toVip)).toEqual(text)
  })

  it('takes a workload for a waypoint, by address and by hostname', () => {
    const vm = { ...waypointPod, uid: 'vm', hostname: waypointHost, services: new Map() }
    const direct: GatewayAddress = { destination: { network: '', ip: '10.61.9.1' }, hboneMtlsPort: 15009 }
    for (const reference of [direct, { ...byHostname, hboneMtlsPort: 15009 }]) {
      expect(decided([workloadUpdate(vm), serviceUpdate({ ...stock, waypoint: reference })], toVip)).toMatchObject({
        to: { ip: '10.61.9.1', port: 15009 },
        expectedIdentities: ['spiffe://mesh.acme/ns/shop/sa/wp']
      })
    }
  })

  it('lets a waypoint through to the pod, each of its instances', () => {
    const other = { ...waypointPod, uid: 'c//Pod/shop/wp-2', workloadIps: ['10.61.9.2'] }
    const context = contextOf([
      ...waypoint,
      workloadUpdate(other),
      workloadUpdate({ ...stockPod, waypoint: byHostname })
    ])
    for (const { uid, workloadIps } of [waypointPod, other]) {
      const source = context.index.workload(uid)!
      const request = { source, sourceIp: workloadIps[0]!, destination: toPod }
      expect(brief(decideAtOnce(routeOutbound(context, request)))).toMatchObject({ upstream: stockPod.uid })
      const borrowed = { ...request, sourceIp: '10.61.0.99' }
      expect(brief(decideAtOnce(routeOutbound(context, borrowed)))).toMatchObject({
        to: { port: 15008 },
        authority: '10.61.4.20:9000',
        expectedIdentities: waypointIdentities
      })
    }
  })

  it('samples a weighted set in place of the single one', () => {
    const canary: GatewayAddress = { destination: { namespace: 'shop', hostname: 'canary.shop' }, hboneMtlsPort: 15008 }
    const canaryPod = {
      ...waypointPod,
      uid: 'c//Pod/shop/canary',
      services: new Map([['shop/canary.shop', ports({ 15008: 15008 })]])
    }
    const weigh = (primary: number, other: number) => [
      { destination: byHostname, weight: primary },
      { destination: canary, weight: other }
    ]
    const chosen = (weights: [number, number], random: number): unknown => {
      const service = serviceUpdate({ ...stock, waypoint: byHostname, weightedWaypoints: weigh(...weights) })
      const canaryService = serviceUpdate({ hostname: 'canary.shop', ports: ports({ 15008: 15008 }) })
      const updates = [clientUpdate, ...waypoint, canaryService, workloadUpdate(canaryPod), service]
      return brief(route(contextOf(updates, { random: () => random }), toVip)).upstream
    }
    expect(chosen([90, 10], 0.89)).toBe(waypointPod.uid)
    expect(chosen([90, 10], 0.9)).toBe(canaryPod.uid)
    expect(chosen([0, 100], 0)).toBe(canaryPod.uid)
    expect(chosen([0, 0], 0.5)).toBe(waypointPod.uid)
  })

  it('prefers the family of the reference, or of what was asked for', () => {
    const dual = { ...waypointPod, workloadIps: ['fd00::91', '10.61.9.1'] }
    const service = (waypoint: GatewayAddress) =>
      serviceUpdate({ ...stock, vips: [vip, { network: '', ip: 'fd00::9' }], waypoint })
    const to = (reference: GatewayAddress, ip: string) =>
      decided([waypointService, workloadUpdate(dual), service(reference)], { ip, port: 80 }).to
    expect(to(byHostname, vip.ip)).toEqual({ ip: '10.61.9.1', port: 15008 })
    expect(to(byHostname, 'fd00::9')).toEqual({ ip: 'fd00::91', port: 15008 })
    expect(to(byAddress, 'fd00::9')).toEqual({ ip: '10.61.9.1', port: 15008 })
  })
})

describe('into other networks', () => {
  const remoteGateway: GatewayAddress = {
    destination: { namespace: 'istio-system', hostname: 'ew.istio-system' },
    hboneMtlsPort: 15009
  }
  const gatewayService = serviceUpdate({
    hostname: 'ew.istio-system',
    namespace: 'istio-system',
    ports: ports({ 15009: 15008 })
  })
  const gatewayPod = {
    uid: 'c//Pod/istio-system/ew',
    namespace: 'istio-system',
    serviceAccount: 'ew',
    workloadIps: ['172.16.0.5'],
    services: new Map([['istio-system/ew.istio-system', ports({ 15009: 15008 })]])
  }
  const remote = {
    uid: 'n2/SplitHorizonWorkload/a/b/c/d/e',
    network: 'n2',
    networkGateway: remoteGateway,
    services: new Map([[key, ports({ 80: 8080 })]])
  }
  const sans = ['spiffe://mesh.acme/ns/shop/sa/stock-remote']
  const gateway = [gatewayService, workloadUpdate(gatewayPod)]

  it('[hbone-26] goes through the gateway by hostname, and expects inside what the service says alone', () => {
    const updates = [...gateway, serviceUpdate({ ...stock, subjectAltNames: sans }), workloadUpdate(remote)]
    expect(decided(updates, toVip)).toEqual({
      kind: 'double-hbone',
      to: { ip: '172.16.0.5', port: 15008 },
      authority: `${host}:80`,
      expectedIdentities: ['spiffe://cluster.local/ns/istio-system/sa/ew'],
      innerExpectedIdentities: sans,
      gateway: gatewayPod.uid,
      upstream: remote.uid,
      service: host
    })
  })

  it("goes to a waypoint over there, and expects inside what the waypoint's service says", () => {
    const waypointHost = 'wp.shop'
    const waypoint = { destination: { namespace: 'shop', hostname: waypointHost }, hboneMtlsPort: 15008 }
    const waypointSans = ['spiffe://mesh.acme/ns/shop/sa/wp-remote']
    const updates = [
      ...gateway,
      serviceUpdate({ hostname: waypointHost, ports: ports({ 15008: 15008 }), subjectAltNames: waypointSans }),
      workloadUpdate({
        ...remote,
        uid: 'remote-wp',
        services: new Map([[`shop/${waypointHost}`, ports({ 15008: 15008 })]])
      }),
      serviceUpdate({ ...stock, subjectAltNames: sans, waypoint })
    ]
    expect(decided(updates, toVip)).toMatchObject({
      kind: 'double-hbone',
      authority: `${host}:80`,
      innerExpectedIdentities: waypointSans,
      upstream: 'remote-wp',
      service: host
    })
  })

  it('refuses without a gateway, with one that is not there, and without a service', () => {
    const { networkGateway: _, ...noGateway } = { ...remote, workloadIps: ['10.2.2.2'] }
    expect(decided([serviceUpdate(stock), workloadUpdate(noGateway)], toVip)).toEqual(
      refusal(
        'no valid routing destination for workload: Workload{e with uid n2/SplitHorizonWorkload/a/b/c/d/e (HBONE)}'
      )
    )
    expect(decided([serviceUpdate(stock), workloadUpdate(remote)], toVip)).toEqual(
      refusal('unknown network gateway: network gateway ew.istio-system not found')
    )
    const context = contextOf([workloadUpdate(client), workloadUpdate({ uid: 'here', workloadIps: ['10.9.9.9'] })])
    const source = aWorkload({ ...client, network: 'n1' })
    const index = {
      ...context.index,
      workloadByIp: () => aWorkload({ uid: 'far', network: 'n2', networkGateway: remoteGateway })
    }
    const request = { source, sourceIp: client.workloadIps[0], destination: { ip: '10.9.9.9', port: 80 } }
    expect(brief(decideAtOnce(routeOutbound({ ...context, index }, request)))).toEqual(
      refusal('no service for target address: 10.9.9.9:80')
    )
  })

  // docs/spec/hbone.md 10.B
  it('prefers its own network, then nearness, and goes out only when nobody is left', () => {
    const place = (region: string, zone: string) => ({ region, zone, subzone: '' })
    const serviceHost = 'ledger.shop'
    const on443 = new Map([[`shop/${serviceHost}`, ports({ 443: 8443 })]])
    const p1 = { uid: 'p1', network: 'n1', locality: place('r1', 'b'), services: on443, workloadIps: ['10.0.0.1'] }
    const p2 = { uid: 'p2', network: 'n1', locality: place('r2', 'a'), services: on443, workloadIps: ['10.0.0.2'] }
    const p3 = { ...remote, uid: 'p3', locality: place('r1', 'a'), services: on443 }
    const p4 = {
      uid: 'p4',
      network: 'n1',
      locality: place('r1', 'a'),
      services: new Map([[`shop/${serviceHost}`, ports({ 80: 8080 })]]),
      workloadIps: ['10.0.0.4']
    }
    const context = contextOf(
      [
        ...gateway,
        workloadUpdate({ ...client, network: 'n1', locality: place('r1', 'a') }),
        serviceUpdate({
          hostname: serviceHost,
          vips: [{ network: 'n1', ip: '10.200.7.1' }],
          ports: ports({ 443: 0 }),
          loadBalancer: {
            routingPreferences: ['Network', 'Region', 'Zone'],
            mode: 'Failover',
            healthPolicy: 'OnlyHealthy'
          }
        }),
        ...[p1, p2, p3, p4].map(workloadUpdate)
      ],
      { network: 'n1' }
    )
    const ledger: SocketAddress = { ip: '10.200.7.1', port: 443 }
    expect(brief(route(context, ledger))).toMatchObject({
      kind: 'hbone',
      to: { ip: '10.0.0.1', port: 15008 },
      authority: '10.0.0.1:8443',
      upstream: 'p1'
    })
    const fail = (...sick: (typeof p1)[]): void =>
      context.index.apply({ updates: sick.map(pod => workloadUpdate({ ...pod, status: 'Unhealthy' })), removals: [] })
    fail(p1)
    expect(brief(route(context, ledger))).toMatchObject({ upstream: 'p2' })
    fail(p2)
    expect(brief(route(context, ledger))).toMatchObject({
      kind: 'double-hbone',
      upstream: 'p3',
      authority: 'ledger.shop:443'
    })
  })
})

describe('questions', () => {
  const named = { ...stockPod, workloadIps: [], hostname: 'db.example' }
  const request = (context: TestContext, destination = toVip) => ({
    source: context.index.workload(client.uid)!,
    sourceIp: client.workloadIps[0],
    destination
  })

  it.each([
    { records: ['fd00::1', '10.7.7.7'], outcome: { to: { ip: '10.7.7.7', port: 15008 } } },
    { records: ['fd00::1'], outcome: { to: { ip: 'fd00::1', port: 15008 } } },
    {
      records: [],
      outcome: {
        code: 'EmptyResolvedAddresses',
        message:
          'ip addresses were resolved for workload c//Pod/shop/stock, but valid dns response had no A/AAAA records'
      }
    },
    {
      records: undefined,
      outcome: { code: 'NoResolvedAddresses', message: 'no ip addresses were resolved for workload: c//Pod/shop/stock' }
    }
  ])('looks a hostname up: $records', async ({ records, outcome }) => {
    const context = contextOf([clientUpdate, serviceUpdate(stock), workloadUpdate(named)])
    const { result, asked } = await decideAsking(routeOutbound(context, request(context)), () => records)
    expect(asked).toEqual(['resolve db.example'])
    expect(result).toMatchObject(outcome)
  })

  it('demands what is unknown, once, before it passes through', async () => {
    const context = contextOf([clientUpdate], { onDemand: true })
    const { result, asked } = await decideAsking(routeOutbound(context, request(context)), () => undefined)
    expect(asked).toEqual(['demand /10.200.5.9'])
    expect(result).toEqual({ kind: 'plain', to: toVip })
  })

  it('goes on with what the demand brought, its waypoint included', async () => {
    const context = contextOf([clientUpdate], { onDemand: true })
    const waypoint = { destination: { namespace: 'shop', hostname: 'wp.shop' }, hboneMtlsPort: 15008 }
    const arrivals: Record<string, AddressUpdate[]> = {
      '/10.200.5.9': [serviceUpdate({ ...stock, waypoint })],
      'shop/wp.shop': [
        serviceUpdate({ hostname: 'wp.shop', ports: ports({ 15008: 15008 }) }),
        workloadUpdate({
          uid: 'wp',
          workloadIps: ['10.61.9.1'],
          services: new Map([['shop/wp.shop', ports({ 15008: 15008 })]])
        })
      ]
    }
    const { result, asked } = await decideAsking(routeOutbound(context, request(context)), question => {
      if (question.kind === 'demand') context.index.apply({ updates: arrivals[question.name] ?? [], removals: [] })
      return undefined
    })
    expect(asked).toEqual(['demand /10.200.5.9', 'demand shop/wp.shop'])
    expect(result).toMatchObject({ kind: 'hbone', to: { ip: '10.61.9.1', port: 15008 }, authority: '10.200.5.9:80' })
  })

  it('asks nothing when all is known', () => {
    const context = contextOf([clientUpdate, serviceUpdate(stock), workloadUpdate(stockPod)], { onDemand: true })
    expect(decideAtOnce(routeOutbound(context, request(context)))).toMatchObject({ kind: 'hbone' })
  })
})

describe('calls to the proxy itself', () => {
  it.each([
    ['127.0.0.1', 15001, true],
    ['127.9.9.9', 15008, true],
    ['::1', 15006, true],
    ['127.0.0.1', 8080, false],
    ['10.1.1.1', 15008, false]
  ])('outbound to %s:%s refused: %s', (ip, port, refused) => {
    const context = contextOf([])
    const found = refuseOutboundSelfCall(context, { ip, port })
    expect(found?.message).toBe(refused ? 'attempted recursive call to ourselves' : undefined)
    expect(refuseInboundSelfCall(context, { ip, port }) !== undefined).toBe(port !== 8080)
  })
})

it('gives a workload without trust domain and account the defaults', () => {
  expect(workloadIdentity(aWorkload({ uid: 'u', trustDomain: '', serviceAccount: '' }))).toBe(
    'spiffe://cluster.local/ns/shop/sa/default'
  )
})

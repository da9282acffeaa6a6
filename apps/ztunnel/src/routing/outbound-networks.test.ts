import type { GatewayAddress } from '@culvert/workloads'
import { aWorkload, ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { client, contextOf, decideAtOnce } from './context.test-helper.ts'
import { routeOutbound } from './outbound.ts'
import { brief, decided, host, key, refusal, route, stock, toVip } from './outbound.test-helper.ts'
import type { SocketAddress } from './route.ts'

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

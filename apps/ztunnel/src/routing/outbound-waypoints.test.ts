import type { GatewayAddress } from '@culvert/workloads'
import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { clientUpdate, contextOf, decideAtOnce } from './context.test-helper.ts'
import { routeOutbound } from './outbound.ts'
import { brief, decided, host, refusal, route, stock, stockPod, toPod, toVip, vip } from './outbound.test-helper.ts'

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

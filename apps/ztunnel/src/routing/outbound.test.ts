import type { AddressUpdate } from '@culvert/workloads'
import { serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { client, clientUpdate, contextOf } from './context.test-helper.ts'
import {
  decided,
  host,
  passthrough,
  refusal,
  route,
  stock,
  stockPod,
  toPod,
  toVip,
  vip
} from './outbound.test-helper.ts'
import type { SocketAddress } from './route.ts'

const stockIdentity = 'spiffe://mesh.acme/ns/shop/sa/stock'

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

import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { whatIsReferred, whoIs } from './address-lookup.ts'
import { client, clientUpdate, contextOf, decideAtOnce } from './context.test-helper.ts'
import { routeOutbound } from './outbound.ts'

const shared = { network: '', ip: '10.200.5.9' }
const hostname = 'stock.shop.svc.mesh.acme'
const service = serviceUpdate({ hostname, vips: [shared] })
const holder = workloadUpdate({ uid: 'c//Pod/shop/holder', workloadIps: [shared.ip] })
const endpoint = workloadUpdate({
  uid: 'c//Pod/shop/stock',
  workloadIps: ['10.61.4.20'],
  services: new Map([[`shop/${hostname}`, ports({ 80: 8080 })]])
})

describe('an address of both a workload and a service', () => {
  const context = contextOf([clientUpdate, service, holder, endpoint])

  it('[workload-xds-17] is the workload when asked who it is, and the service when asked where to send', () => {
    const wanted = { kind: 'workload', workload: { uid: 'c//Pod/shop/holder' } }
    expect(decideAtOnce(whoIs(context, shared))).toMatchObject(wanted)
    expect(decideAtOnce(whatIsReferred(context, shared))).toMatchObject(wanted)
    const source = context.index.workload(client.uid)!
    const destination = { ip: shared.ip, port: 80 }
    const route = decideAtOnce(routeOutbound(context, { source, sourceIp: client.workloadIps[0], destination }))
    expect(route).toMatchObject({ upstream: { uid: 'c//Pod/shop/stock' }, service: { hostname } })
  })

  it('is the service when no workload has it in that network', () => {
    const other = workloadUpdate({ uid: 'c//Pod/shop/holder', network: 'far', workloadIps: [shared.ip] })
    expect(decideAtOnce(whoIs(contextOf([service, other]), shared))).toMatchObject({ kind: 'service' })
  })
})

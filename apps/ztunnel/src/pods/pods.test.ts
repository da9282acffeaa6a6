import { createWorkloadIndex } from '@culvert/workloads'
import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { expect, it } from 'vitest'
import { sortedJsonPieces } from '../admin/sorted-json.ts'
import { createLiveConnections } from '../connections/live-connections.ts'
import { dnsServices } from './dns-services.ts'
import { createPodStates } from './pod-states.ts'

it('shows services to DNS with the first address of each family of their known endpoints', () => {
  const index = createWorkloadIndex()
  const services = new Map([['shop/h.shop.svc', ports({ 80: 80 })]])
  const updates = [
    serviceUpdate({ hostname: 'h.shop.svc', vips: [{ network: 'n', ip: '10.96.0.1' }], ipFamilies: 'Dual' }),
    workloadUpdate({ uid: 'a', workloadIps: ['10.0.0.1', '10.0.0.2', 'fd00::1'], services }),
    workloadUpdate({ uid: 'b', workloadIps: ['fd00::2'], services })
  ]
  index.apply({ updates, removals: [] })
  const [service] = dnsServices(index).servicesByHostname('h.shop.svc')
  expect(service).toMatchObject({
    vips: [{ network: 'n', address: '10.96.0.1' }],
    ipFamilies: 'Dual',
    visibility: 'Public'
  })
  expect(service?.endpointAddresses('IPv4')).toEqual(['10.0.0.1'])
  expect(service?.endpointAddresses('IPv6')).toEqual(['fd00::1', 'fd00::2'])
  expect(dnsServices(index).servicesByHostname('other')).toEqual([])
})

it('keeps a pod in the dump from before its start until its last proxy is gone', () => {
  const states = createPodStates()
  const info = { name: 'cart-0', namespace: 'shop', serviceAccount: 'cart' }
  const first = states.starting('u', info)
  expect(states.dump()).toEqual({ u: { state: 'Pending', info } })
  first.up(createLiveConnections())
  const shown = JSON.parse([...sortedJsonPieces(states.dump())].join(''))
  expect(shown).toEqual({ u: { state: 'Up', info, connections: { inbound: [], outbound: [] } } })
  // Another namespace under the same uid: the new one stands before the old one has ended.
  const second = states.starting('u', info)
  second.up(createLiveConnections())
  first.gone()
  expect(states.dump()).toMatchObject({ u: { state: 'Up' } })
  second.gone()
  expect(states.dump()).toEqual({})
})

it('shows a pod once however often its start is tried', () => {
  const states = createPodStates()
  const info = { name: 'cart-0', namespace: 'shop', serviceAccount: 'cart' }
  states.starting('u', info)
  const second = states.starting('u', info)
  second.up(createLiveConnections())
  second.gone()
  expect(states.dump()).toEqual({})
})

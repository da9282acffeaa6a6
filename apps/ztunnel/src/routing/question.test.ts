import type { AddressUpdate } from '@culvert/workloads'
import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { client, clientUpdate, contextOf, decideAsking, decideAtOnce, type TestContext } from './context.test-helper.ts'
import { routeOutbound } from './outbound.ts'
import { stock, stockPod, toVip } from './outbound.test-helper.ts'

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

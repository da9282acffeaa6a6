import type { V1EndpointSlice, V1Service } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { servicePorts } from './service-ports.ts'
import { serviceRules } from './service-rules.ts'

const service = (spec: NonNullable<V1Service['spec']>): V1Service => ({
  metadata: { namespace: 'shop', name: 'till' },
  spec
})
const slice = (
  endpoints: NonNullable<V1EndpointSlice['endpoints']>,
  o: Partial<V1EndpointSlice> = {}
): V1EndpointSlice => ({
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints,
  ...o
})
const http = { name: 'http', port: 80, protocol: 'TCP' }
const ready = { ready: true, serving: true, terminating: false }
const ending = { ready: false, serving: true, terminating: true }

const endpointsOf = (services: V1Service[], slices: V1EndpointSlice[], node = 'node-1'): string[] =>
  servicePorts(services, () => slices, node).flatMap(({ endpoints }) =>
    endpoints.map(({ ip, port }) => `${ip}:${port}`)
  )

describe('servicePorts', () => {
  it.each([
    {
      name: 'ready endpoints only',
      endpoints: [
        { addresses: ['10.0.0.1'], conditions: ready },
        { addresses: ['10.0.0.2'], conditions: { ready: false } }
      ],
      result: ['10.0.0.1:8080']
    },
    { name: 'unknown readiness counts as ready', endpoints: [{ addresses: ['10.0.0.1'] }], result: ['10.0.0.1:8080'] },
    {
      name: 'those on their way out when there are no others',
      endpoints: [
        { addresses: ['10.0.0.1'], conditions: ending },
        { addresses: ['10.0.0.2'], conditions: { ready: false, serving: false, terminating: true } }
      ],
      result: ['10.0.0.1:8080']
    },
    {
      name: 'the same endpoint of two slices once, in a fixed order',
      endpoints: [{ addresses: ['10.0.0.9'] }, { addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.9'] }],
      result: ['10.0.0.1:8080', '10.0.0.9:8080']
    }
  ])('$name', ({ endpoints, result }) => {
    expect(endpointsOf([service({ clusterIP: '10.96.0.5', ports: [http] })], [slice(endpoints)])).toEqual(result)
  })

  it('keeps to the node where the service says so', () => {
    const local = service({ clusterIP: '10.96.0.5', ports: [http], internalTrafficPolicy: 'Local' })
    const endpoints = [
      { addresses: ['10.0.0.1'], nodeName: 'node-1' },
      { addresses: ['10.0.0.2'], nodeName: 'node-2' }
    ]
    expect(endpointsOf([local], [slice(endpoints)], 'node-2')).toEqual(['10.0.0.2:8080'])
  })

  it('matches ports by name', () => {
    const other = service({ clusterIP: '10.96.0.5', ports: [{ name: 'grpc', port: 90 }] })
    expect(endpointsOf([other], [slice([{ addresses: ['10.0.0.1'] }])])).toEqual([])
  })

  it.each([{ clusterIP: 'None' }, { clusterIP: 'fd00::5' }, { type: 'ExternalName', externalName: 'x.test' }])(
    'leaves %j alone',
    spec => {
      expect(servicePorts([service({ ports: [http], ...spec })], () => [], 'node-1')).toEqual([])
    }
  )
})

describe('serviceRules', () => {
  const base = { name: 'shop/till:http', ip: '10.96.0.5', protocol: 'tcp', port: 80, sticky: false } as const
  const two = [
    { ip: '10.0.0.1', port: 8080 },
    { ip: '10.0.0.2', port: 8080 }
  ]

  it('replaces the table as one transaction', () => {
    expect(serviceRules([], '10.96.0.0/16').split('\n').slice(0, 3)).toEqual([
      'table ip culvert-services',
      'delete table ip culvert-services',
      'table ip culvert-services {'
    ])
  })

  it('spreads connections over the endpoints', () => {
    const rules = serviceRules([{ ...base, endpoints: two }], '10.96.0.0/16')
    expect(rules).toContain('dnat to numgen random mod 2 map { 0 : 10.0.0.1 . 8080, 1 : 10.0.0.2 . 8080 }')
    expect(rules).toContain('ip daddr . meta l4proto . th dport vmap { 10.96.0.5 . tcp . 80 : goto service-0 }')
    expect(rules).toContain('{ 10.0.0.1 . 10.0.0.1, 10.0.0.2 . 10.0.0.2 } masquerade')
  })

  it('keeps a client at its endpoint with session affinity', () => {
    expect(serviceRules([{ ...base, sticky: true, endpoints: two }], '10.96.0.0/16')).toContain('jhash ip saddr mod 2')
  })

  it('refuses what no endpoint serves', () => {
    const rules = serviceRules([{ ...base, endpoints: [] }], '10.96.0.0/16')
    expect(rules).not.toContain('10.96.0.5')
    expect(rules).toContain('ip daddr 10.96.0.0/16 reject')
  })
})

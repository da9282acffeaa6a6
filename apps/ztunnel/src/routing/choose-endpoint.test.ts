import type { Service, ServiceDefinition, Workload } from '@culvert/workloads'
import { aWorkload, ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { chooseEndpoint, type Resolution, type Upstream } from './choose-endpoint.ts'
import { contextOf } from './context.test-helper.ts'

const host = { namespace: 'shop', hostname: 'stock.shop' }
const key = 'shop/stock.shop'
const source = aWorkload({
  uid: 'source',
  network: 'n1',
  node: 'node-a',
  clusterId: 'c1',
  locality: { region: 'r1', zone: 'a', subzone: 's' }
})

type Endpoint = Partial<Workload> & { readonly uid: string; readonly map?: Record<number, number> }

function choose(
  endpoints: readonly Endpoint[],
  {
    service = {},
    port = 80,
    resolution = 'standard',
    random = 0
  }: { service?: Partial<ServiceDefinition>; port?: number; resolution?: Resolution; random?: number } = {}
): Upstream | undefined {
  const context = contextOf([
    serviceUpdate({ ...host, ...service }),
    ...endpoints.map(({ map = {}, ...workload }) =>
      workloadUpdate({
        network: 'n1',
        workloadIps: ['10.1.0.1'],
        ...workload,
        services: new Map([[key, ports(map)]])
      })
    )
  ])
  const found: Service = context.index.service(host)!
  return chooseEndpoint({ index: context.index, random: () => random }, { source, service: found, port, resolution })
}

const failover = (...routingPreferences: NonNullable<Service['loadBalancer']>['routingPreferences']) =>
  ({ routingPreferences, mode: 'Failover', healthPolicy: 'OnlyHealthy' }) as const
const strict = (...routingPreferences: NonNullable<Service['loadBalancer']>['routingPreferences']) =>
  ({ routingPreferences, mode: 'Strict', healthPolicy: 'OnlyHealthy' }) as const

describe('ports', () => {
  it.each<{ title: string; target: number; map: Record<number, number>; port?: number; chosen: number | undefined }>([
    { title: 'the own mapping', target: 0, map: { 80: 9090 }, chosen: 9090 },
    { title: 'the own mapping before the target', target: 8080, map: { 80: 9090 }, chosen: 9090 },
    { title: 'the target', target: 8080, map: {}, chosen: 8080 },
    { title: 'none without either', target: 0, map: {}, chosen: undefined },
    { title: 'none for a port that the service lacks', target: 8080, map: { 81: 1 }, port: 81, chosen: undefined }
  ])('[workload-xds-18] $title', ({ target, map, port = 80, chosen }) => {
    const service = { ports: ports({ 80: target }) }
    expect(choose([{ uid: 'e', map }], { service, port })?.port).toBe(chosen)
  })

  it('of a waypoint need not be on its service when it has an application tunnel', () => {
    const service = { ports: ports({}) }
    const tunnel = { protocol: 'PROXY', port: 15088 } as const
    const options = { service, port: 15008, resolution: 'waypoint' } as const
    expect(choose([{ uid: 'e', applicationTunnel: tunnel }], options)?.port).toBe(15008)
    expect(choose([{ uid: 'e' }], options)).toBeUndefined()
    expect(choose([{ uid: 'e', applicationTunnel: tunnel }], { ...options, resolution: 'standard' })).toBeUndefined()
    expect(choose([{ uid: 'e', applicationTunnel: { protocol: 'NONE' } }], options)).toBeUndefined()
  })
})

describe('who can be chosen', () => {
  const gateway = { destination: { network: 'n2', ip: '10.2.0.1' }, hboneMtlsPort: 15008 }

  it.each<[string, Partial<Workload>, boolean]>([
    ['with an address', {}, true],
    ['with a hostname', { workloadIps: [], hostname: 'db.example' }, true],
    ['with neither', { workloadIps: [] }, false],
    ['with neither, behind a gateway', { workloadIps: [], network: 'n2', networkGateway: gateway }, true],
    ['with neither, behind a gateway of the own network', { workloadIps: [], networkGateway: gateway }, false],
    ['with neither, in another network without gateway', { workloadIps: [], network: 'n2' }, false],
    ['without weight', { capacity: 0 }, false]
  ])('an endpoint %s: %s', (_title, fields, chosen) => {
    expect(choose([{ uid: 'e', ...fields }]) !== undefined).toBe(chosen)
  })

  it('nobody of a passthrough service', () => {
    const loadBalancer = { ...failover(), mode: 'Passthrough' } as const
    expect(choose([{ uid: 'e' }], { service: { loadBalancer } })).toBeUndefined()
  })

  it.each([
    [0, 'a'],
    [0.24, 'a'],
    [0.25, 'b'],
    [0.99, 'b']
  ])('by weight: %s gives %s', (random, uid) => {
    const endpoints = [
      { uid: 'none', capacity: 0 },
      { uid: 'a', capacity: 1 },
      { uid: 'b', capacity: 3 }
    ]
    expect(choose(endpoints, { random })?.workload.uid).toBe(uid)
  })
})

describe('near ones first', () => {
  const near = { locality: source.locality, node: 'node-a', clusterId: 'c1' }

  it.each<{ title: string; loadBalancer: Service['loadBalancer']; endpoints: Endpoint[]; all: string[] }>([
    {
      title: 'all alike without a mode',
      loadBalancer: { ...failover('Node'), mode: 'Standard' },
      endpoints: [{ uid: 'near', ...near }, { uid: 'far' }],
      all: ['near', 'far']
    },
    {
      title: 'the same node',
      loadBalancer: failover('Network', 'Region', 'Zone', 'Subzone', 'Node'),
      endpoints: [
        { uid: 'zone', ...near, node: 'node-b' },
        { uid: 'node', ...near }
      ],
      all: ['node']
    },
    {
      title: 'farther ones when nobody is near',
      loadBalancer: failover('Region', 'Zone'),
      endpoints: [
        { uid: 'x', locality: { region: 'r2', zone: 'a', subzone: '' } },
        { uid: 'y', locality: { region: 'r3', zone: 'b', subzone: '' } }
      ],
      all: ['x', 'y']
    },
    {
      title: 'counting stops at the first mismatch',
      loadBalancer: failover('Region', 'Zone', 'Cluster'),
      endpoints: [
        { uid: 'zone only', locality: { region: 'r2', zone: 'a', subzone: '' }, clusterId: 'c1' },
        { uid: 'region', locality: { region: 'r1', zone: 'b', subzone: '' }, clusterId: 'c2' }
      ],
      all: ['region']
    },
    {
      title: 'strict ones only that match in all',
      loadBalancer: strict('Node'),
      endpoints: [
        { uid: 'far', node: 'node-b' },
        { uid: 'node', node: 'node-a' }
      ],
      all: ['node']
    },
    {
      title: 'nobody rather than far ones when strict',
      loadBalancer: strict('Node'),
      endpoints: [{ uid: 'far', node: 'b' }],
      all: []
    },
    {
      title: 'a network mismatch in front is skipped, yet not full when strict',
      loadBalancer: strict('Network', 'Region'),
      endpoints: [{ uid: 'remote', ...near, network: 'n2' }],
      all: []
    },
    {
      title: 'the own network does not make up for the rest when strict',
      loadBalancer: strict('Network', 'Region'),
      endpoints: [{ uid: 'own', locality: { region: 'r2', zone: '', subzone: '' } }],
      all: []
    },
    {
      title: 'the nearest of other networks',
      loadBalancer: failover('Network', 'Region'),
      endpoints: [
        { uid: 'far', network: 'n2', locality: { region: 'r2', zone: '', subzone: '' } },
        { uid: 'near', ...near, network: 'n3' }
      ],
      all: ['near']
    },
    {
      title: 'a network that is not in front is like the rest',
      loadBalancer: failover('Region', 'Network', 'Zone'),
      endpoints: [
        { uid: 'remote', ...near, network: 'n2' },
        { uid: 'own', locality: { region: 'r1', zone: 'b', subzone: '' } }
      ],
      all: ['own']
    }
  ])('$title', ({ loadBalancer, endpoints, all }) => {
    const picked = [0, 0.3, 0.6, 0.999].map(
      random => choose(endpoints, { random, service: { loadBalancer: loadBalancer! } })?.workload.uid
    )
    expect(new Set(picked)).toEqual(new Set(all.length === 0 ? [undefined] : all))
  })
})

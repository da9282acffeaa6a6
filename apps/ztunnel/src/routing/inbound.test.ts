import type { AddressUpdate, Workload } from '@culvert/workloads'
import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import { parseAuthority } from './authority.ts'
import { contextOf, decideAsking, decideAtOnce } from './context.test-helper.ts'
import { describeWorkload, serviceOfInbound, sourceOfInbound } from './description.ts'
import { refuseRequest, routeInbound } from './inbound.ts'
import type { InboundRoute, RoutingContext } from './route.ts'

const localIp = '10.61.4.20'
const host = 'stock.shop.svc.mesh.acme'
const key = `shop/${host}`
const pod = { uid: 'c//Pod/shop/stock', workloadIps: [localIp] } as const
const vip = { network: '', ip: '10.200.5.9' }

function inbound(
  authority: string | undefined,
  {
    local = {},
    updates = [],
    method = 'CONNECT',
    context: fields = {}
  }: {
    local?: Partial<Workload>
    updates?: readonly AddressUpdate[]
    method?: string
    context?: Partial<RoutingContext>
  } = {}
): InboundRoute {
  const context = contextOf([workloadUpdate({ ...pod, ...local }), ...updates], fields)
  const request = { method, authority, localIp, local: context.index.workload(pod.uid)! }
  return decideAtOnce(routeInbound(context, request))
}

const refusal = (status: number, message: string) => ({ kind: 'refuse', status, message })

describe('authorities', () => {
  it.each([
    ['10.1.2.3:80', { kind: 'address', ip: '10.1.2.3', port: 80 }],
    ['[fd00:0::5]:8080', { kind: 'address', ip: 'fd00::5', port: 8080 }],
    ['stock.shop:80', { kind: 'hostname', hostname: 'stock.shop', port: 80 }],
    ['Stock:65535', { kind: 'hostname', hostname: 'Stock', port: 65535 }],
    ['stock.shop', undefined],
    ['stock.shop:', undefined],
    ['stock.shop:65536', undefined],
    ['stock.shop:+80', undefined],
    [':80', undefined],
    ['', undefined],
    ['[10.1.2.3]:80', undefined],
    ['[stock]:80', undefined],
    ['fd00::5:80', undefined],
    ['user@stock:80', undefined],
    ['a b:80', undefined],
    ['stock:80/x', undefined],
    ['stock:80\n', undefined]
  ])('%j', (text, authority) => {
    expect(parseAuthority(text)).toEqual(authority)
  })
})

describe('checks of the request', () => {
  it.each([
    ['GET', `${localIp}:80`, 'expected method CONNECT, got GET'],
    ['CONNECT', undefined, 'no valid authority pseudo header: '],
    ['CONNECT', 'stock', 'no valid authority pseudo header: stock']
  ])('%s %s is answered 400', (method, authority, message) => {
    expect(inbound(authority, { method })).toMatchObject(refusal(400, message))
    expect(refuseRequest({ method, authority })).toMatchObject(refusal(400, message))
  })

  it('pass for what may be fine', () => {
    expect(refuseRequest({ method: 'CONNECT', authority: '10.9.9.9:80' })).toBeUndefined()
  })
})

describe('addresses', () => {
  it('of the pod are reached on the port that was asked for', () => {
    const at = { ip: localIp, port: 8080 }
    expect(inbound(`${localIp}:8080`)).toEqual({ kind: 'accept', destination: at, to: at, preserveSource: true })
  })

  it('[hbone-10] of others are answered 400', () => {
    const mismatch = refusal(400, 'ip mismatch: 10.61.4.20 != 10.61.4.21')
    const other = workloadUpdate({ uid: 'other', workloadIps: ['10.61.4.21'] })
    expect(inbound('10.61.4.21:80')).toMatchObject(mismatch)
    expect(inbound('10.61.4.21:80', { updates: [other] })).toMatchObject(mismatch)
    expect(inbound('[::ffff:10.61.4.20]:80')).toMatchObject({ status: 400 })
  })

  it.each([15001, 15006, 15008])('of the proxy itself, port %s, are answered 503', port => {
    expect(inbound(`${localIp}:${port}`)).toMatchObject(refusal(503, 'attempted recursive call to ourselves'))
    const tunnel = { applicationTunnel: { protocol: 'PROXY', port: 80 } } as const
    expect(inbound(`${localIp}:${port}`, { local: tunnel })).toMatchObject({ code: 'SelfCall' })
  })

  const waypointHost = 'wp.shop'
  const byHostname = { destination: { namespace: 'shop', hostname: waypointHost }, hboneMtlsPort: 15008 }
  const byAddress = { destination: { network: '', ip: localIp }, hboneMtlsPort: 15008 }
  const ours = { services: new Map([[`shop/${waypointHost}`, ports({})]]) }
  const waypointService = serviceUpdate({ hostname: waypointHost })
  const weighted = [{ destination: byHostname, weight: 1 }]

  it.each<{ title: string; updates: AddressUpdate[]; local?: Partial<Workload>; accepted: boolean }>([
    {
      title: 'a service whose waypoint we are',
      updates: [waypointService, serviceUpdate({ hostname: host, vips: [vip], waypoint: byHostname })],
      local: ours,
      accepted: true
    },
    {
      title: 'a service whose waypoint is another',
      updates: [waypointService, serviceUpdate({ hostname: host, vips: [vip], waypoint: byHostname })],
      accepted: false
    },
    {
      title: 'a pod whose waypoint we are',
      updates: [waypointService, workloadUpdate({ uid: 'x', workloadIps: [vip.ip], waypoint: byHostname })],
      local: ours,
      accepted: true
    },
    {
      title: 'a service whose waypoint has our address',
      updates: [serviceUpdate({ hostname: host, vips: [vip], waypoint: byAddress })],
      accepted: true
    },
    {
      title: 'a service with a waypoint that is not there',
      updates: [serviceUpdate({ hostname: host, vips: [vip], waypoint: byHostname })],
      local: ours,
      accepted: false
    },
    {
      title: 'a service that only a weighted set binds to us',
      updates: [waypointService, serviceUpdate({ hostname: host, vips: [vip], weightedWaypoints: weighted })],
      local: ours,
      accepted: false
    },
    {
      title: 'anything with an application tunnel',
      updates: [],
      local: { applicationTunnel: { protocol: 'NONE' } },
      accepted: true
    }
  ])('of $title: accepted $accepted', ({ updates, local = {}, accepted }) => {
    const found = inbound(`${vip.ip}:80`, { updates, local })
    // Never translated, even for a service's address.
    const at = { ip: localIp, port: 80 }
    expect(found).toMatchObject(accepted ? { kind: 'accept', destination: at } : { code: 'IPMismatch' })
  })

  it('are demanded once when they are unknown', async () => {
    const context = contextOf([workloadUpdate(pod)], { onDemand: true })
    const request = { method: 'CONNECT', authority: '10.9.9.9:80', localIp, local: context.index.workload(pod.uid)! }
    const { result, asked } = await decideAsking(routeInbound(context, request), () => undefined)
    expect(asked).toEqual(['demand /10.9.9.9'])
    expect(result).toMatchObject({ code: 'IPMismatch' })
  })
})

describe('hostnames', () => {
  const service = (map: Record<number, number>, fields = {}): AddressUpdate =>
    serviceUpdate({ hostname: host, vips: [vip], ports: ports(map), ...fields })
  const endpoint = (map: Record<number, number>): Partial<Workload> => ({ services: new Map([[key, ports(map)]]) })

  it.each<[string, Record<number, number>, Record<number, number> | undefined, number]>([
    ['a named target port', { 80: 0 }, { 80: 8080 }, 8080],
    ['a numeric one', { 80: 8081 }, {}, 8081],
    ['the own mapping first', { 80: 8081 }, { 80: 8080 }, 8080],
    ['a service we are no endpoint of', { 80: 8081 }, undefined, 8081]
  ])('[hbone-13] %s', (_title, map, own, port) => {
    const found = inbound(`${host}:80`, { updates: [service(map)], local: own ? endpoint(own) : {} })
    expect(found).toMatchObject({ kind: 'accept', destination: { ip: localIp, port }, to: { ip: localIp, port } })
    expect(found.kind === 'accept' && found.service?.hostname).toBe(host)
  })

  it.each([
    ['unknown.shop:80', 'no service or workload for hostname: unknown.shop'],
    [`${host.toUpperCase()}:80`, `no service or workload for hostname: ${host.toUpperCase()}`],
    [`${host}:81`, `requested service ${host}:81 found, but cannot resolve port`],
    [`${host}:443`, `requested service ${host}:443 found, but cannot resolve port`]
  ])('%s is answered 503', (authority, message) => {
    expect(inbound(authority, { updates: [service({ 80: 8080, 443: 0 })] })).toMatchObject(refusal(503, message))
  })

  it("prefer a service of the pod's namespace and see none hidden elsewhere", () => {
    const elsewhere = serviceUpdate({ hostname: host, namespace: 'other', ports: ports({ 80: 1 }), canonical: true })
    const hidden = serviceUpdate({ hostname: 'hidden', namespace: 'other', visibility: 'Namespace' })
    expect(inbound(`${host}:80`, { updates: [elsewhere, service({ 80: 2 })] })).toMatchObject({
      destination: { port: 2 }
    })
    expect(inbound('hidden:80', { updates: [hidden] })).toMatchObject({ code: 'NoHostname' })
  })

  it('that resolve to a port of the proxy are answered 503', () => {
    expect(inbound(`${host}:80`, { updates: [service({ 80: 15008 })] })).toMatchObject({
      code: 'SelfCall',
      status: 503
    })
  })
})

describe('application tunnels', () => {
  const proxy = { applicationTunnel: { protocol: 'PROXY', port: 15088 } } as const

  it('take the port, on loopback, and say in the PROXY header what was asked for', () => {
    expect(inbound('10.200.5.9:8443', { local: proxy })).toEqual({
      kind: 'accept',
      destination: { ip: localIp, port: 15088 },
      to: { ip: '127.0.0.1', port: 15088 },
      preserveSource: false,
      proxyHeaderDestination: { ip: '10.200.5.9', port: 8443 }
    })
  })

  it('without port keep the one that was asked for', () => {
    const local = { applicationTunnel: { protocol: 'PROXY' } } as const
    expect(inbound('10.200.5.9:8443', { local })).toMatchObject({ to: { ip: '127.0.0.1', port: 8443 } })
  })

  it("stay on the pod's address when loopback is not wanted, and without PROXY", () => {
    const to = { ip: localIp, port: 15088 }
    const remote = inbound('10.200.5.9:8443', { local: proxy, context: { localhostAppTunnel: false } })
    expect(remote).toMatchObject({ to, preserveSource: true, proxyHeaderDestination: { ip: '10.200.5.9' } })
    const plain = inbound('10.200.5.9:8443', { local: { applicationTunnel: { protocol: 'NONE', port: 15088 } } })
    expect(plain).toEqual({ kind: 'accept', destination: to, to, preserveSource: true })
  })

  it.each([
    { vips: ['n2/10.0.0.1', '/fd00::9', '/10.200.5.9'], chosen: '10.200.5.9' },
    { vips: ['n2/10.0.0.1', '/fd00::9'], chosen: 'fd00::9' },
    { vips: ['/10.0.0.1', '/10.0.0.2', 'n2/10.0.0.3'], chosen: '10.0.0.2' },
    { vips: ['n2/10.0.0.1'], chosen: '10.0.0.1' }
  ])('name the best of $vips for a hostname', ({ vips, chosen }) => {
    const addresses = vips.map(text => ({ network: text.split('/')[0]!, ip: text.split('/')[1]! }))
    const service = serviceUpdate({ hostname: host, vips: addresses, ports: ports({ 80: 8080 }) })
    expect(inbound(`${host}:80`, { local: proxy, updates: [service] })).toMatchObject({
      proxyHeaderDestination: { ip: chosen, port: 80 }
    })
  })

  it('refuse a hostname that has no address to name', () => {
    expect(inbound(`${host}:80`, { local: proxy, updates: [serviceUpdate({ hostname: host })] })).toMatchObject(
      refusal(503, `requested service ${host} found, but has no IP addresses`)
    )
  })
})

describe('descriptions', () => {
  const context = contextOf([
    workloadUpdate({
      ...pod,
      services: new Map([
        [key, ports({ 80: 8080 })],
        ['shop/other', ports({ 90: 9090 })]
      ])
    }),
    serviceUpdate({ hostname: host, ports: ports({ 80: 0 }) }),
    serviceUpdate({ hostname: 'other', ports: ports({ 90: 9090 }) }),
    serviceUpdate({ hostname: 'foreign' }),
    workloadUpdate({ uid: 'c//Pod/shop/cart', workloadIps: ['10.61.0.7'] })
  ])
  const local = context.index.workload(pod.uid)!

  it.each([
    { forwardedHost: 'other', port: 8080, service: 'other' },
    { forwardedHost: 'foreign', port: 8080, service: host },
    { forwardedHost: undefined, port: 9090, service: 'other' },
    { forwardedHost: undefined, port: 1, service: undefined }
  ])('an inbound connection for $forwardedHost on $port is of $service', ({ forwardedHost, port, service }) => {
    expect(serviceOfInbound(context, local, { forwardedHost, port })?.hostname).toBe(service)
  })

  it.each([
    { forwardedNetwork: undefined, network: '', found: true },
    { forwardedNetwork: 'NET-1', network: 'net-1', found: false },
    { forwardedNetwork: 'net-2', network: '', found: false },
    { forwardedNetwork: '', network: '', found: true }
  ])('a source from network $forwardedNetwork seen in $network', ({ forwardedNetwork, network, found }) => {
    const source = decideAtOnce(sourceOfInbound({ ...context, network }, { ip: '10.61.0.7', forwardedNetwork }))
    expect(source !== undefined).toBe(found)
  })

  it('name a source of the own network whatever the case', () => {
    const own = contextOf([workloadUpdate({ uid: 'x', network: 'net-1', workloadIps: ['10.1.1.1'] })], {
      network: 'net-1'
    })
    expect(decideAtOnce(sourceOfInbound(own, { ip: '10.1.1.1', forwardedNetwork: 'NET-1' }))?.uid).toBe('x')
  })

  it('hold what baggage says', () => {
    expect(
      describeWorkload({
        ...local,
        workloadName: 'stock',
        canonicalName: 'stock',
        canonicalRevision: 'v1',
        locality: { region: 'eu-1', zone: 'a', subzone: 's' }
      })
    ).toEqual({
      cluster: 'Kubernetes',
      namespace: 'shop',
      workloadType: 'pod',
      workloadName: 'stock',
      canonicalName: 'stock',
      canonicalRevision: 'v1',
      region: 'eu-1',
      zone: 'a'
    })
  })
})

import { describe, expect, it } from 'vitest'
import type { ServiceMessage, WorkloadMessage } from '../messages/workload-messages.ts'
import { convertAuthorization } from './authorization.ts'
import { convertService } from './service.ts'
import { convertWorkload } from './workload.ts'

const workload = (message: WorkloadMessage) => convertWorkload({ uid: 'u', ...message })
const service = (message: ServiceMessage) => convertService(message)
const rejection = (reason: string) => expect.objectContaining({ code: 'WORKLOADS_REJECTED', message: reason })
const v4 = Buffer.from([10, 1, 2, 3])

describe('workloads', () => {
  it('[workload-xds-10] fills what is empty', () => {
    expect(workload({})).toMatchObject({
      trustDomain: 'cluster.local',
      serviceAccount: 'default',
      clusterId: 'Kubernetes',
      capacity: 1,
      protocol: 'TCP',
      networkMode: 'Standard',
      status: 'Healthy'
    })
    expect(workload({})).not.toHaveProperty('waypoint')
    expect(workload({ capacity: { value: 0 } }).capacity).toBe(0)
    expect(workload({ capacity: {} }).capacity).toBe(0)
    expect(workload({ capacity: { value: 7 } }).capacity).toBe(7)
  })

  it('[workload-xds-9] takes an unknown type for a deployment, but no unknown status', () => {
    expect(workload({ workloadType: 99 }).workloadType).toBe('deployment')
    expect(workload({ workloadType: 3 }).workloadType).toBe('job')
    expect(() => workload({ status: 9 })).toThrow(rejection('unknown status 9'))
  })

  it.each<[string, WorkloadMessage]>([
    ['unknown tunnel_protocol 2', { tunnelProtocol: 2 }],
    ['unknown tunnel_protocol 7', { tunnelProtocol: 7 }],
    ['unknown network_mode 2', { networkMode: 2 }],
    ['unknown application_tunnel.protocol 5', { applicationTunnel: { protocol: 5 } }],
    ['waypoint has no destination', { waypoint: { hboneMtlsPort: 15008 } }],
    ['network_gateway has no destination', { networkGateway: {} }],
    ['an address of the workload has 5 bytes, not 4 or 16', { addresses: [v4, Buffer.alloc(5)] }],
    ['an address of waypoint has 0 bytes, not 4 or 16', { waypoint: { address: {} } }],
    ['service "cart" is not namespace/hostname', { services: { cart: {} } }]
  ])('rejects: %s', (reason, message) => {
    expect(() => workload(message)).toThrow(rejection(reason))
  })

  it('reads addresses, gateways, tunnels and ports', () => {
    const full = workload({
      addresses: [v4, Buffer.from('fd000000000000000000000000000005', 'hex')],
      waypoint: { hostname: { namespace: 'a', hostname: 'w.a' }, hboneMtlsPort: 15008 },
      networkGateway: { address: { network: 'n2', address: v4 }, hboneMtlsPort: 65536 + 15009 },
      applicationTunnel: { protocol: 1, port: 0 },
      services: {
        'a/b/c': {
          ports: [
            { servicePort: 80, targetPort: 1 },
            { servicePort: 65616, targetPort: 8080 },
            { servicePort: 443, targetPort: 8443 }
          ]
        }
      },
      locality: { region: 'r' }
    })
    expect(full.workloadIps).toEqual(['10.1.2.3', 'fd00::5'])
    expect(full.waypoint).toEqual({ destination: { namespace: 'a', hostname: 'w.a' }, hboneMtlsPort: 15008 })
    expect(full.networkGateway).toEqual({ destination: { network: 'n2', ip: '10.1.2.3' }, hboneMtlsPort: 15009 })
    expect(full.applicationTunnel).toEqual({ protocol: 'PROXY' })
    expect(full.services).toEqual(
      new Map([
        [
          'a/b/c',
          new Map([
            [80, 8080],
            [443, 8443]
          ])
        ]
      ])
    )
    expect(full.locality).toEqual({ region: 'r', zone: '', subzone: '' })
  })
})

describe('services', () => {
  it('tells addresses from prefixes', () => {
    const v6 = Buffer.alloc(16, 1)
    const { vips, cidrVips } = service({
      addresses: [
        { address: v4 },
        { address: v4, length: 32, network: 'n' },
        { address: v4, length: 8 },
        { address: v6, length: 128 },
        { address: v6, length: 0 }
      ]
    })
    expect(vips.map(({ network, ip }) => `${network}/${ip}`)).toEqual([
      '/10.1.2.3',
      'n/10.1.2.3',
      '/101:101:101:101:101:101:101:101'
    ])
    expect(cidrVips.map(({ ip, prefixLength }) => [ip, prefixLength])).toEqual([
      ['10.1.2.3', 8],
      ['101:101:101:101:101:101:101:101', 0]
    ])
  })

  it.each<[string, ServiceMessage]>([
    ['an address of the service has length 33, more than 32', { addresses: [{ address: v4, length: 33 }] }],
    ['an address of the service has 3 bytes, not 4 or 16', { addresses: [{ address: Buffer.alloc(3) }] }],
    ['waypoint has no destination', { waypoint: {} }],
    ['weighted_waypoints has no destination', { weightedWaypoints: [{ weight: 1 }] }],
    ['unknown mode 4', { loadBalancing: { mode: 4 } }],
    ['unknown health_policy 2', { loadBalancing: { healthPolicy: 2 } }],
    ['unknown ip_families 4', { ipFamilies: 4 }],
    ['unknown routing_preference 7', { loadBalancing: { routingPreference: [1, 7] } }],
    ['unknown routing_preference 0', { loadBalancing: { routingPreference: [0] } }]
  ])('rejects: %s', (reason, message) => {
    expect(() => service(message)).toThrow(rejection(reason))
  })

  it('reads enums, and opens up on an unknown visibility', () => {
    expect(service({})).toMatchObject({ visibility: 'Public', canonical: false })
    expect(service({})).not.toHaveProperty('ipFamilies')
    expect(service({})).not.toHaveProperty('loadBalancer')
    expect(service({ visibility: 1 }).visibility).toBe('Namespace')
    expect(service({ visibility: 8 }).visibility).toBe('Public')
    expect(service({ ipFamilies: 3 }).ipFamilies).toBe('Dual')
    expect(service({ loadBalancing: { routingPreference: [6, 1], mode: 2, healthPolicy: 1 } }).loadBalancer).toEqual({
      routingPreferences: ['Network', 'Region'],
      mode: 'Failover',
      healthPolicy: 'AllowAll'
    })
  })
})

describe('policies', () => {
  it('rejects unknown scopes and actions', () => {
    expect(() => convertAuthorization({ scope: 3 })).toThrow(rejection('unknown scope 3'))
    expect(() => convertAuthorization({ action: 2 })).toThrow(rejection('unknown action 2'))
  })

  it('drops what cannot be tested and keeps the rest', () => {
    const [rule] = convertAuthorization({
      rules: [
        {
          clauses: [
            {
              matches: [
                {
                  principals: [{}, { exact: '' }, { presence: {} }],
                  sourceIps: [
                    { address: Buffer.alloc(3) },
                    { address: v4, length: 33 },
                    { address: v4, length: 256 + 8 },
                    { address: v4 }
                  ],
                  destinationPorts: [65616]
                },
                { namespaces: [{}] }
              ]
            }
          ]
        }
      ]
    }).rules
    expect(rule?.[0]?.[0]).toMatchObject({
      principals: [{ kind: 'exact', value: '' }, { kind: 'presence' }],
      sourceIps: [
        { ip: '10.1.2.3', prefixLength: 8 },
        { ip: '10.1.2.3', prefixLength: 0 }
      ],
      destinationPorts: [80]
    })
    expect(rule?.[0]?.[1]?.namespaces).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { createWorkloadIndex } from '../state/workload-index.ts'
import { ports, serviceUpdate, workloadUpdate } from '../testing/index.ts'
import { dumpServices, dumpStagedServices, dumpWorkloads } from './dump-workload.ts'

const waypoint = { destination: { namespace: 'shop', hostname: 'wp.shop' }, hboneMtlsPort: 15008 }

const made = <Item>(items: Iterable<Item | undefined>): Item[] => [...items].filter(item => item !== undefined)

describe('the dump', () => {
  it('leaves out what is empty and keeps what must be there', () => {
    const index = createWorkloadIndex()
    index.apply({
      updates: [
        workloadUpdate({ uid: 'u', name: '', trustDomain: '', node: '' }),
        serviceUpdate({ hostname: 's', name: 'n' })
      ],
      removals: []
    })
    expect(made(dumpWorkloads(index))).toEqual([
      {
        uid: 'u',
        workloadIps: [],
        protocol: 'HBONE',
        networkMode: 'Standard',
        name: '',
        namespace: 'shop',
        serviceAccount: 'default',
        workloadType: 'pod',
        status: 'Healthy',
        clusterId: 'Kubernetes',
        capacity: 1
      }
    ])
    expect(made(dumpServices(index))).toEqual([
      {
        name: 'n',
        namespace: 'shop',
        hostname: 's',
        vips: [],
        ports: { 80: 8080 },
        endpoints: {},
        subjectAltNames: [],
        canonical: false,
        visibility: 'Public'
      }
    ])
  })

  it('writes destinations, endpoints, tunnels and prefixes', () => {
    const index = createWorkloadIndex()
    index.apply({
      updates: [
        workloadUpdate({
          uid: 'b',
          waypoint,
          networkGateway: { destination: { network: '', ip: '10.0.0.1' }, hboneMtlsPort: 1 },
          applicationTunnel: { protocol: 'PROXY' },
          locality: { region: 'r', zone: '', subzone: '' },
          nativeTunnel: true,
          services: new Map([
            ['shop/s', ports({ 80: 1 })],
            ['shop/later', ports({ 81: 2 })]
          ])
        }),
        workloadUpdate({ uid: 'a' }),
        serviceUpdate({
          hostname: 's',
          vips: [
            { network: 'n', ip: '10.9.0.1' },
            { network: '', ip: 'fd00::1' }
          ],
          cidrVips: [{ network: 'n', ip: '10.0.0.0', prefixLength: 8 }],
          weightedWaypoints: [{ destination: waypoint, weight: 9 }],
          waypoint
        }),
        serviceUpdate({ hostname: 'r' })
      ],
      removals: []
    })
    const gateway = { destination: 'shop/wp.shop', hboneMtlsPort: 15008 }
    const workloads = made(dumpWorkloads(index))
    expect(workloads.map(({ uid }) => uid)).toEqual(['a', 'b'])
    expect(workloads[1]).toMatchObject({
      waypoint: gateway,
      networkGateway: { destination: '/10.0.0.1', hboneMtlsPort: 1 },
      applicationTunnel: { protocol: 'PROXY', port: null },
      locality: { region: 'r' },
      nativeTunnel: true,
      services: ['shop/s', 'shop/later']
    })
    const services = made(dumpServices(index))
    expect(services.map(({ hostname }) => hostname)).toEqual(['r', 's'])
    expect(services[1]).toMatchObject({
      vips: ['n/10.9.0.1', '/fd00::1'],
      cidrVips: [{ network: 'n', cidr: '10.0.0.0/8' }],
      endpoints: { b: { workloadUid: 'b', port: { 80: 1 }, status: 'Healthy' } },
      waypoint: gateway,
      weightedWaypoints: [{ destination: gateway, weight: 9 }]
    })
    expect(dumpStagedServices(index)).toEqual({
      'shop/later': { b: { workloadUid: 'b', port: { 81: 2 }, status: 'Healthy' } }
    })
  })

  it('is in order and has each once, however many there are and whatever changes meanwhile', () => {
    const index = createWorkloadIndex()
    const uids = Array.from({ length: 4_321 }, (_, i) => `u/${(i * 7_919) % 4_321}`)
    const [first, gone] = [...uids].sort()
    index.apply({ updates: uids.map(uid => workloadUpdate({ uid })), removals: [] })
    const shown: unknown[] = []
    for (const workload of dumpWorkloads(index)) {
      if (workload === undefined) continue
      shown.push(workload.uid)
      if (workload.uid !== first) continue
      index.apply({ updates: [workloadUpdate({ uid: 'u/a' })], removals: [gone!] })
    }
    expect(shown).toEqual(uids.filter(uid => uid !== gone).sort())
  })
})

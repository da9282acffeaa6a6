import type { V1EndpointSlice, V1Service } from '@culvert/kubernetes'
import { decode, encode, type Packet, type Question } from 'dns-packet'
import { describe, expect, it } from 'vitest'
import type { ServiceState } from '../services/service-state.ts'
import { fitDatagram, type ResponderOptions, respond } from './respond.ts'

const service = (name: string, spec: NonNullable<V1Service['spec']>): V1Service => ({
  metadata: { namespace: 'shop', name },
  spec
})
const services = [
  service('till', { clusterIP: '10.96.0.5', ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }),
  service('stock', { clusterIP: 'None', ports: [{ name: 'db', port: 6379, protocol: 'TCP' }] }),
  service('bank', { type: 'ExternalName', externalName: 'bank.test' })
]
const slices: Record<string, V1EndpointSlice[]> = {
  stock: [
    {
      addressType: 'IPv4',
      ports: [{ name: 'db', port: 6379, protocol: 'TCP' }],
      endpoints: [
        { addresses: ['10.244.1.7'], hostname: 'stock-0' },
        { addresses: ['10.244.2.9'] },
        { addresses: ['10.244.2.8'], conditions: { ready: false } }
      ]
    }
  ]
}
const state: ServiceState = {
  services: () => services,
  slices: (namespace, name) => (namespace === 'shop' ? (slices[name] ?? []) : []),
  onChange: () => () => {}
}
const options: ResponderOptions = {
  state,
  clusterDomain: 'cluster.local',
  isPodIp: ip => ip.startsWith('10.244.'),
  forward: undefined
}

const query = (name: string, type: Question['type'] = 'A', extra: Partial<Packet> = {}): Buffer =>
  encode({ type: 'query', id: 7, flags: 0x100, questions: [{ name, type, class: 'IN' }], ...extra })

async function ask(name: string, type: Question['type'] = 'A', o: Partial<ResponderOptions> = {}) {
  const answer = decode((await respond(query(name, type), { ...options, ...o }))!) as unknown as Packet & {
    rcode: string
  }
  const records = (answer.answers ?? []).map(record => ('data' in record ? record.data : undefined))
  return { rcode: answer.rcode, records, answer }
}

describe('cluster DNS', () => {
  it.each([
    ['till.shop.svc.cluster.local', 'A', ['10.96.0.5']],
    ['TILL.shop.SVC.cluster.local', 'A', ['10.96.0.5']],
    ['stock.shop.svc.cluster.local', 'A', ['10.244.1.7', '10.244.2.9']],
    ['stock-0.stock.shop.svc.cluster.local', 'A', ['10.244.1.7']],
    ['10-244-2-9.stock.shop.svc.cluster.local', 'A', ['10.244.2.9']],
    ['bank.shop.svc.cluster.local', 'A', ['bank.test']],
    ['10-244-3-4.shop.pod.cluster.local', 'A', ['10.244.3.4']],
    ['5.0.96.10.in-addr.arpa', 'PTR', ['till.shop.svc.cluster.local']],
    ['7.1.244.10.in-addr.arpa', 'PTR', ['stock-0.stock.shop.svc.cluster.local']],
    [
      '_http._tcp.till.shop.svc.cluster.local',
      'SRV',
      [{ priority: 0, weight: 100, port: 80, target: 'till.shop.svc.cluster.local' }]
    ],
    [
      '_db._tcp.stock.shop.svc.cluster.local',
      'SRV',
      [
        { priority: 0, weight: 100, port: 6379, target: 'stock-0.stock.shop.svc.cluster.local' },
        { priority: 0, weight: 100, port: 6379, target: '10-244-2-9.stock.shop.svc.cluster.local' }
      ]
    ]
  ] as [string, Question['type'], unknown[]][])('%s %s', async (name, type, records) => {
    expect(await ask(name, type)).toMatchObject({ rcode: 'NOERROR', records })
  })

  it.each([
    ['till.shop.svc.cluster.local', 'AAAA'],
    ['svc.cluster.local', 'A'],
    ['shop.svc.cluster.local', 'A'],
    ['_tcp.till.shop.svc.cluster.local', 'A']
  ] as [string, Question['type']][])('%s %s exists without records', async (name, type) => {
    const { rcode, records, answer } = await ask(name, type)
    expect({ rcode, records }).toEqual({ rcode: 'NOERROR', records: [] })
    expect(answer.authorities?.[0]?.type).toBe('SOA')
  })

  it.each([
    'none.shop.svc.cluster.local',
    'till.other.svc.cluster.local',
    'x.till.shop.svc.cluster.local',
    '_grpc._tcp.till.shop.svc.cluster.local',
    '192-0-2-1.shop.pod.cluster.local',
    'nonsense.cluster.local',
    'example.test'
  ])('%s does not exist', async name => {
    expect(await ask(name)).toMatchObject({ rcode: 'NXDOMAIN', records: [] })
  })

  it('asks outside for names outside, if it may', async () => {
    const answers = encode({
      type: 'response',
      id: 7,
      answers: [{ type: 'A', name: 'example.test', data: '192.0.2.7' }]
    })
    expect(await ask('example.test', 'A', { forward: async () => answers })).toMatchObject({ records: ['192.0.2.7'] })
    const failing = { forward: () => Promise.reject(new Error('no way out')) }
    expect(await ask('example.test', 'A', failing)).toMatchObject({ rcode: 'SERVFAIL' })
    expect(await ask('till.shop.svc.cluster.local', 'A', failing)).toMatchObject({ records: ['10.96.0.5'] })
  })

  it.each([
    ['two bytes', Buffer.from([0, 7])],
    ['an answer', encode({ type: 'response', id: 7 })]
  ])('says nothing to %s', async (_, bytes) => {
    expect(await respond(bytes, options)).toBeUndefined()
  })

  it.each([
    ['a cut-off question', query('till.shop.svc.cluster.local').subarray(0, 20), 'FORMERR'],
    ['no question', encode({ type: 'query', id: 7 }), 'FORMERR'],
    [
      'a name that points to itself',
      Buffer.concat([query('x').subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
      'FORMERR'
    ],
    ['another opcode', Buffer.from(query('x').fill(0x28, 2, 3)), 'NOTIMP']
  ])('refuses %s', async (_, bytes, rcode) => {
    const answer = (await respond(bytes, options))!
    expect(answer.readUInt16BE(0)).toBe(7)
    expect(['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP'][answer[3]! & 0xf]).toBe(rcode)
  })

  it('cuts answers that do not fit, at 512 bytes or what the client announces', async () => {
    const answers = Array.from({ length: 60 }, (_, i) => ({ type: 'A' as const, name: 'x.test', data: `10.0.0.${i}` }))
    const long = encode({ type: 'response', id: 7, questions: [{ name: 'x.test', type: 'A' }], answers })
    const short = decode(fitDatagram(long, query('x.test')))
    expect(short).toMatchObject({ flag_tc: true, answers: [] })
    const edns = {
      additionals: [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: 4096,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: []
        }
      ]
    }
    expect(fitDatagram(long, query('x.test', 'A', edns as unknown as Partial<Packet>))).toBe(long)
  })
})

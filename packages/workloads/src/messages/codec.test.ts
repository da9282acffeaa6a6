import { describe, expect, it } from 'vitest'
import { resourceVersion } from '../resource-version.ts'
import {
  decodeDeltaRequest,
  decodeDeltaResponse,
  encodeDeltaRequest,
  encodeDeltaResponse,
  encodeInitialVersions
} from './discovery-codec.ts'
import { AppProtocol, IPFamilies, PolicyAction, PolicyScope, TunnelProtocol, WorkloadType } from './enums.ts'
import { decodeAddress, decodeAuthorization, encodeAddress, encodeAuthorization } from './resource-codec.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (...parts: string[]): Buffer => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')

// The worked examples of docs/spec/workload-xds.md 6.1 and authorization.md 8.1.
const cartService = {
  service: {
    name: 'cart',
    namespace: 'shop',
    hostname: 'cart.shop.svc.cluster.local',
    addresses: [{ network: 'net-blue', address: Buffer.from([10, 96, 7, 3]) }],
    ports: [{ servicePort: 80, targetPort: 8080, appProtocol: AppProtocol.HTTP2 }],
    ipFamilies: IPFamilies.IPV4_ONLY,
    canonical: true
  }
}
const cartServiceBytes = unhex(
  '12 48 0a04 63617274 1204 73686f70 1a1b 636172742e73686f702e7376632e636c75737465722e6c6f63616c',
  '2210 0a08 6e65742d626c7565 1204 0a600703 2a07 0850 10903f 1802 4801 5801'
)
const cartPod = {
  workload: {
    uid: 'c-east//Pod/shop/cart-6d9-x2',
    name: 'cart-6d9-x2',
    namespace: 'shop',
    addresses: [Buffer.from([10, 20, 0, 9])],
    network: 'net-blue',
    tunnelProtocol: TunnelProtocol.HBONE,
    serviceAccount: 'cart-sa',
    node: 'n3',
    canonicalName: 'cart',
    canonicalRevision: 'latest',
    workloadType: WorkloadType.POD,
    workloadName: 'cart',
    clusterId: 'c-east',
    services: { 'shop/cart.shop.svc.cluster.local': { ports: [{ servicePort: 80, targetPort: 8080 }] } }
  }
}
const cartPodBytes = unhex(
  '0a9e01 0a0b636172742d3664392d7832 120473686f70 1a040a140009 22086e65742d626c7565 2801',
  '3a07636172742d7361 4a026e33 520463617274 5a066c6174657374 6002 6a0463617274',
  '9201 06632d65617374 a201 1c632d656173742f2f506f642f73686f702f636172742d3664392d7832',
  'b201 2b 0a2073686f702f636172742e73686f702e7376632e636c75737465722e6c6f63616c 1207 0a05 0850 10903f'
)
const till = {
  name: 'till',
  namespace: 'shop',
  scope: PolicyScope.NAMESPACE,
  rules: [
    {
      clauses: [
        { matches: [{ destinationPorts: [9000] }] },
        {
          matches: [
            {
              principals: [{ exact: 'mesh.demo/ns/web/sa/front' }],
              sourceIps: [{ address: Buffer.from([10, 20, 0, 0]), length: 16 }]
            }
          ]
        }
      ]
    }
  ]
}
const tillBytes = unhex(
  '0a04 74696c6c 1204 73686f70 1801 2a33 0a06 1204 4a02 a846 0a29 1227',
  '1a1b 0a19 6d6573682e64656d6f2f6e732f7765622f73612f66726f6e74 2a08 0a04 0a140000 1010'
)
const staticStrict = {
  name: 'istio_converted_static_strict',
  namespace: 'mesh-root',
  scope: PolicyScope.WORKLOAD_SELECTOR,
  action: PolicyAction.DENY,
  rules: [{ clauses: [{ matches: [{ notPrincipals: [{ presence: {} }] }] }] }]
}
const staticStrictBytes = unhex(
  `0a1d ${hex(Buffer.from('istio_converted_static_strict'))} 1209 ${hex(Buffer.from('mesh-root'))}`,
  '1802 2001 2a08 0a06 1204 2202 2200'
)

describe('resources on the wire', () => {
  it.each([
    { what: 'a Service', message: cartService, bytes: cartServiceBytes, length: 74, version: 'a7bb9c6f25f24455' },
    { what: 'a Workload', message: cartPod, bytes: cartPodBytes, length: 161, version: 'e03c756ec77c516e' }
  ])('writes and reads $what as in workload-xds 6.1, with its version', ({ message, bytes, length, version }) => {
    expect(bytes.length).toBe(length)
    expect(hex(encodeAddress(message))).toBe(hex(bytes))
    expect(decodeAddress(bytes)).toEqual(message)
    expect(resourceVersion(bytes)).toBe(version)
  })

  it.each([
    { message: till, bytes: tillBytes, length: 67 },
    { message: staticStrict, bytes: staticStrictBytes, length: 56 }
  ])('writes and reads policy $message.name as in authorization 8.1', ({ message, bytes, length }) => {
    expect(bytes.length).toBe(length)
    expect(hex(encodeAuthorization(message))).toBe(hex(bytes))
    expect(decodeAuthorization(bytes)).toEqual(message)
  })

  it('writes an empty rule', () => {
    expect(hex(encodeAuthorization({ rules: [{}] }))).toBe('2a00')
  })

  it('writes no defaults, but what has presence', () => {
    const bytes = encodeAddress({
      workload: { uid: 'u', name: '', tunnelProtocol: 0, services: {}, capacity: { value: 0 } }
    })
    expect(hex(bytes)).toBe('0a07a20101' + '75' + 'da0100')
    expect(decodeAddress(encodeAddress({ service: { addresses: [{ length: 0 }] } })).service?.addresses).toEqual([
      { length: 0 }
    ])
  })

  it('gives equal bytes whatever the order of the services map', () => {
    const ports = { ports: [{ servicePort: 80, targetPort: 8080 }] }
    const one = encodeAddress({ workload: { uid: 'u', services: { 'b/b': ports, 'a/a': ports } } })
    const other = encodeAddress({ workload: { uid: 'u', services: { 'a/a': ports, 'b/b': ports } } })
    expect(hex(one)).toBe(hex(other))
  })

  it('keeps unknown enum numbers and skips unknown fields', () => {
    expect(() => decodeAddress(unhex('0a04 2863'))).toThrow(expect.objectContaining({ code: 'WORKLOADS_UNDECODABLE' }))
    expect(decodeAddress(unhex('0a05 2863 f83f01'))).toEqual({ workload: { tunnelProtocol: 99 } })
  })

  it('survives a map key that names an object property', () => {
    const entry = Buffer.concat([unhex('0a09'), Buffer.from('__proto__'), unhex('1200')])
    const workload = Buffer.concat([unhex('b201'), Buffer.from([entry.length]), entry])
    const decoded = decodeAddress(Buffer.concat([unhex('0a'), Buffer.from([workload.length]), workload]))
    expect(Object.getPrototypeOf(decoded.workload?.services ?? {})).toBe(Object.prototype)
  })
})

describe('the envelope', () => {
  it('carries a request with node metadata', () => {
    const request = {
      node: {
        id: 'ztunnel~1.1.1.1~p.ns~ns.svc.cluster.local',
        metadata: { NAME: 'p', LABELS: { a: 'b', n: [1, true, null] }, EMPTY: {} }
      },
      typeUrl: 't',
      resourceNamesSubscribe: ['*'],
      initialResourceVersions: { 'a/b': '1' },
      responseNonce: 'n',
      errorDetail: { message: 'a/b: bad' }
    }
    expect(decodeDeltaRequest(encodeDeltaRequest(request))).toEqual(request)
  })

  it('carries a response', () => {
    const response = {
      typeUrl: 't',
      nonce: 'n1',
      resources: [
        { name: 'x', version: '1', aliases: ['/1.2.3.4'], resource: { typeUrl: 't', value: Buffer.from([1]) } }
      ],
      removedResources: ['y']
    }
    expect(decodeDeltaResponse(encodeDeltaResponse(response))).toEqual(response)
  })
})

it('writes the versions of what is held as a request does', () => {
  const versions = { 'shop/cart': 'a7', 'c//Pod/é': '', ['x'.repeat(300)]: '1' }
  const bytes = encodeInitialVersions(Object.entries(versions))
  expect(decodeDeltaRequest(bytes)).toEqual({ initialResourceVersions: versions })
  expect(hex(bytes)).toBe(hex(encodeDeltaRequest({ initialResourceVersions: versions })))
})

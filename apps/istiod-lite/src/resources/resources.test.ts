import type { V1EndpointSlice, V1Node, V1Pod, V1Service } from '@culvert/kubernetes'
import { encodeAddress, NetworkMode, resourceVersion, TunnelProtocol, WorkloadStatus } from '@culvert/workloads'
import { describe, expect, it } from 'vitest'
import { appProtocolOf } from './app-protocol.ts'
import { endpointSliceWorkloads } from './endpoint-slice-workloads.ts'
import { ipBytes, ipText, masked, parsePrefix } from './ip-address.ts'
import { serviceFacts, serviceMessage } from './kubernetes-service.ts'
import type { MeshFacts } from './mesh-facts.ts'
import { podWorkload } from './pod-workload.ts'
import { podWorkloadName } from './workload-name.ts'

const mesh: MeshFacts = {
  clusterId: 'c-east',
  trustDomain: 'cluster.local',
  workloadTrustDomain: '',
  rootNamespace: 'istio-system',
  domain: 'cluster.local',
  network: 'net-blue'
}

const cartService: V1Service = {
  metadata: { name: 'cart', namespace: 'shop' },
  spec: {
    selector: { app: 'cart' },
    clusterIP: '10.96.7.3',
    clusterIPs: ['10.96.7.3'],
    ipFamilies: ['IPv4'],
    ports: [{ name: 'http2', port: 80, targetPort: 8080, protocol: 'TCP' }]
  }
}
const cartPod: V1Pod = {
  metadata: {
    name: 'cart-6d9-x2',
    namespace: 'shop',
    uid: 'u1',
    generateName: 'cart-6d9-',
    labels: { app: 'cart', 'pod-template-hash': '6d9' },
    annotations: { 'ambient.istio.io/redirection': 'enabled' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'cart-6d9', uid: 'r1', controller: true }]
  },
  spec: { serviceAccountName: 'cart-sa', nodeName: 'n3', containers: [{ name: 'app', image: 'x' }] },
  status: {
    phase: 'Running',
    podIP: '10.20.0.9',
    podIPs: [{ ip: '10.20.0.9' }],
    conditions: [{ type: 'Ready', status: 'True' }]
  }
}
const alone = { node: undefined, services: [], policies: [], waypoint: undefined, applicationTunnel: undefined }
const noSurroundings = { namespace: undefined, waypoint: undefined }

const workload = (change: { metadata?: object; spec?: object; status?: object }, around = {}) =>
  podWorkload(
    {
      metadata: { ...cartPod.metadata, ...change.metadata },
      spec: { ...cartPod.spec!, ...change.spec },
      status: { ...cartPod.status, ...change.status }
    },
    mesh,
    { ...alone, ...around }
  )
const service = (spec: object, metadata: object = {}, namespace?: object) =>
  serviceMessage({ metadata: { ...cartService.metadata, ...metadata }, spec: { ...cartService.spec, ...spec } }, mesh, {
    ...noSurroundings,
    namespace: namespace as never
  })

describe('the worked examples of workload-xds 6.1, to the byte', () => {
  it('encodes the Service', () => {
    const bytes = encodeAddress({ service: serviceMessage(cartService, mesh, noSurroundings)! })
    expect(Buffer.from(bytes).toString('hex')).toBe(
      '1248' +
        '0a0463617274120473686f701a1b636172742e73686f702e7376632e636c75737465722e6c6f63616c' +
        '22100a086e65742d626c756512040a6007032a07085010903f180248015801'
    )
    expect(resourceVersion(bytes)).toBe('a7bb9c6f25f24455')
  })
  it('encodes the Pod', () => {
    const services = [serviceFacts(cartService, 'cluster.local')]
    const bytes = encodeAddress({ workload: podWorkload(cartPod, mesh, { ...alone, services })! })
    expect(bytes.length).toBe(161)
    expect(resourceVersion(bytes)).toBe('e03c756ec77c516e')
  })
})

describe('pods', () => {
  it.each([
    ['Pending with an ip', { status: { phase: 'Pending', conditions: [] } }, WorkloadStatus.UNHEALTHY],
    ['Ready', {}, WorkloadStatus.HEALTHY],
    ['being deleted', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }, WorkloadStatus.UNHEALTHY],
    ['not Ready', { status: { conditions: [{ type: 'Ready', status: 'False' }] } }, WorkloadStatus.UNHEALTHY],
    ['Succeeded', { status: { phase: 'Succeeded' } }, undefined],
    ['Failed', { status: { phase: 'Failed' } }, undefined],
    ['without an ip', { status: { podIP: undefined, podIPs: [] } }, undefined],
    ['with an ip that is none', { status: { podIP: 'x', podIPs: [{ ip: 'x' }] } }, undefined]
  ])('[workload-xds-23] %s', (_, change, expected) => {
    expect(workload(change)?.status).toBe(expected)
  })

  it.each([
    [{ annotations: { 'ambient.istio.io/redirection': 'enabled' } }, TunnelProtocol.HBONE, false],
    [{ annotations: { 'ambient.istio.io/redirection': 'pending' } }, TunnelProtocol.NONE, false],
    [{ annotations: {} }, TunnelProtocol.NONE, false],
    [{ annotations: {}, labels: { 'networking.istio.io/tunnel': 'other,http' } }, TunnelProtocol.HBONE, true]
  ])('[workload-xds-24] metadata %o is tunnel %i, native %s', (metadata, protocol, native) => {
    expect(workload({ metadata })).toMatchObject({ tunnelProtocol: protocol, nativeTunnel: native })
  })

  it('takes both addresses of a dual-stack pod, the locality of its node, and says when it shares the host’s network', () => {
    const node: V1Node = {
      metadata: {
        labels: {
          'topology.kubernetes.io/region': 'r',
          'topology.kubernetes.io/zone': 'z',
          'topology.istio.io/subzone': 's'
        }
      }
    }
    const dual = { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] }
    const message = workload({ spec: { hostNetwork: true }, status: dual }, { node })
    expect(message?.addresses?.map(ipText)).toEqual(['10.0.0.1', 'fd00::1'])
    expect(message?.locality).toEqual({ region: 'r', zone: 'z', subzone: 's' })
    expect(message?.networkMode).toBe(NetworkMode.HOST_NETWORK)
  })

  it.each([
    ['a label', { labels: { 'service.istio.io/workload-name': 'w' } }, 'w'],
    ['a Deployment by way of its ReplicaSet', {}, 'cart'],
    ['a ReplicaSet of its own', { labels: {} }, 'cart-6d9'],
    [
      'a CronJob by way of its Job',
      { ownerReferences: [{ kind: 'Job', name: 'night-28473920', controller: true }] },
      'night'
    ],
    [
      'a Job with a short number',
      { ownerReferences: [{ kind: 'Job', name: 'night-42', controller: true }] },
      'night-42'
    ],
    ['a DaemonSet', { ownerReferences: [{ kind: 'DaemonSet', name: 'agent', controller: true }] }, 'agent'],
    ['an owner that does not control it', { ownerReferences: [{ kind: 'DaemonSet', name: 'agent' }] }, 'cart-6d9-x2'],
    ['a pod made by hand', { generateName: undefined }, 'cart-6d9-x2']
  ])('names the workload after %s', (_, metadata, expected) => {
    expect(podWorkloadName({ metadata: { ...cartPod.metadata, ...metadata } as never })).toBe(expected)
  })

  it.each([
    [
      'a TCP port of that name',
      [{ name: 'web', containerPort: 9090 }],
      undefined,
      [{ servicePort: 80, targetPort: 9090 }]
    ],
    ['a UDP port of that name', [{ name: 'web', containerPort: 9090, protocol: 'UDP' }], undefined, []],
    ['no such port', [{ name: 'other', containerPort: 9090 }], undefined, []],
    ['a port of a sidecar', [], 'Always', [{ servicePort: 80, targetPort: 7000 }]],
    ['a port of an init container that ends', [], undefined, []]
  ])('[workload-xds-27] a named target port with %s', (_, ports, restartPolicy, expected) => {
    const named = { ...cartService, spec: { ...cartService.spec, ports: [{ port: 80, targetPort: 'web' }] } }
    const spec = {
      containers: [{ name: 'app', image: 'x', ports }],
      initContainers: [{ name: 'side', image: 'x', restartPolicy, ports: [{ name: 'web', containerPort: 7000 }] }]
    }
    const message = workload({ spec }, { services: [serviceFacts(named, 'cluster.local')] })
    expect(message?.services).toEqual({ 'shop/cart.shop.svc.cluster.local': { ports: expected } })
    expect(serviceMessage(named, mesh, noSurroundings)?.ports?.[0]?.targetPort).toBe(0)
  })
})

describe('services', () => {
  it('[workload-xds-26] headless has no addresses, ExternalName is no service', () => {
    expect(service({ clusterIP: 'None', clusterIPs: ['None'] })?.addresses).toEqual([])
    expect(service({ type: 'ExternalName', externalName: 'example.org' })).toBeUndefined()
  })

  const close = { routingPreference: [6, 1, 2], mode: 2 }
  it.each([
    [
      'internalTrafficPolicy Local over PreferClose',
      { internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose' },
      {},
      { routingPreference: [4], mode: 1 }
    ],
    ['PreferClose', { trafficDistribution: 'PreferClose' }, {}, close],
    ['PreferSameZone', { trafficDistribution: 'PreferSameZone' }, {}, close],
    ['PreferSameNode', { trafficDistribution: 'PreferSameNode' }, {}, { routingPreference: [6, 1, 2, 3, 4], mode: 2 }],
    [
      'an annotation in other case',
      {},
      { annotations: { 'networking.istio.io/traffic-distribution': 'preferclose' } },
      close
    ],
    ['an unknown annotation', {}, { annotations: { 'networking.istio.io/traffic-distribution': 'x' } }, undefined],
    ['publishNotReadyAddresses', { publishNotReadyAddresses: true }, {}, { healthPolicy: 1 }],
    ['nothing', {}, {}, undefined]
  ])('[workload-xds-26] load balancing by %s', (_, spec, metadata, expected) => {
    expect(service(spec, metadata)?.loadBalancing).toEqual(expected)
  })

  it('takes the annotation of the namespace only when the service has none', () => {
    const namespace = { metadata: { annotations: { 'networking.istio.io/traffic-distribution': 'PreferClose' } } }
    expect(service({}, {}, namespace)?.loadBalancing).toEqual(close)
    const own = { annotations: { 'networking.istio.io/traffic-distribution': 'x' } }
    expect(service({}, own, namespace)?.loadBalancing).toBeUndefined()
  })

  it.each([
    [{ name: 'http-web', number: 80 }, 1],
    [{ name: 'HTTP2', number: 80 }, 2],
    [{ name: 'grpc', number: 80 }, 3],
    [{ name: 'tcp-x', number: 80 }, 4],
    [{ name: 'https', number: 443 }, 5],
    [{ name: 'grpc-web', number: 80 }, 0],
    [{ name: 'mysql', number: 3306 }, 0],
    [{ name: 'db', number: 3306 }, 4],
    [{ number: 53 }, 4],
    [{ number: 53, protocol: 'UDP' }, 0],
    [{ name: 'web', number: 80 }, 0],
    [{ name: 'tcp', number: 80, appProtocol: 'kubernetes.io/h2c' }, 2],
    [{ name: 'tcp', number: 80, appProtocol: 'kubernetes.io/wss' }, 5]
  ])('protocol of %o is %i', (port, expected) => {
    expect(appProtocolOf(port)).toBe(expected)
  })
})

it('[workload-xds-28] a slice’s endpoint without a pod is a workload nobody can be; one with a pod is not', () => {
  const slice: V1EndpointSlice = {
    addressType: 'IPv4',
    metadata: { name: 'cart-abc', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'cart' } },
    ports: [{ name: 'http2', port: 8080, protocol: 'TCP' }],
    endpoints: [
      { addresses: ['10.1.1.1'], targetRef: { kind: 'Pod', name: 'cart-1', namespace: 'shop', uid: 'u' } },
      { addresses: ['10.1.1.2'] },
      { addresses: ['10.1.1.3'], conditions: { ready: false } },
      { addresses: ['host.example'] }
    ]
  }
  const facts = serviceFacts(cartService, 'cluster.local')
  const made = endpointSliceWorkloads(slice, facts, mesh)
  expect(
    made.map(({ uid, status, networkMode, tunnelProtocol }) => [uid, status, networkMode, tunnelProtocol])
  ).toEqual([
    [
      'c-east/discovery.k8s.io/EndpointSlice/shop/cart-abc/10.1.1.2',
      WorkloadStatus.HEALTHY,
      NetworkMode.HOST_NETWORK,
      undefined
    ],
    [
      'c-east/discovery.k8s.io/EndpointSlice/shop/cart-abc/10.1.1.3',
      WorkloadStatus.UNHEALTHY,
      NetworkMode.HOST_NETWORK,
      undefined
    ]
  ])
  expect(made[0]?.services).toEqual({ [facts.key]: { ports: [{ servicePort: 80, targetPort: 8080 }] } })
  expect(endpointSliceWorkloads({ ...slice, addressType: 'FQDN' }, facts, mesh)).toEqual([])
  expect(endpointSliceWorkloads(slice, undefined, mesh)).toEqual([])
})

describe('addresses', () => {
  it.each(['10.0.0.1', 'fd00::1', '::', '::1', '2001:db8:0:1:1:1:1:1', '1:2:3:4:5:6:7:8'])('%s survives', text => {
    expect(ipText(ipBytes(text)!)).toBe(text)
  })
  it.each(['', 'x', '1.2.3', '10.0.0.256', 'fe80::1%eth0', '1:2'])('%j is none', text => {
    expect(ipBytes(text)).toBeUndefined()
  })
  it('reads mapped addresses and prefixes', () => {
    expect([...ipBytes('::ffff:1.2.3.4')!.slice(10)]).toEqual([255, 255, 1, 2, 3, 4])
    expect(parsePrefix('10.1.2.3/8')).toEqual({ address: Uint8Array.of(10, 1, 2, 3), length: 8 })
    expect([...masked({ address: Uint8Array.of(10, 129, 2, 3), length: 9 })]).toEqual([10, 128, 0, 0])
    for (const bad of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/a', 'x/8']) expect(parsePrefix(bad)).toBeUndefined()
  })
})

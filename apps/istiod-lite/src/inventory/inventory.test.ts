import type { V1EndpointSlice, V1Namespace, V1Pod, V1Service } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { createInventory, type Inventory, type InventoryOptions } from './inventory.ts'
import type { ObjectKind, ObjectKinds } from './objects.ts'

const defaults: InventoryOptions = {
  mesh: {
    clusterId: 'k',
    trustDomain: 'cluster.local',
    workloadTrustDomain: '',
    rootNamespace: 'mesh-root',
    domain: 'cluster.local'
  },
  systemNamespace: 'istio-system',
  revision: undefined,
  dryRunPolicies: false,
  waypointPolicies: false
}

/** An inventory that is told what is there and says which names a change reached. */
function harness(options: Partial<InventoryOptions> = {}) {
  const inventory: Inventory = createInventory({ ...defaults, ...options })
  const known = new Map<string, object>()
  return {
    ...inventory,
    put<Kind extends ObjectKind>(kind: Kind, object: ObjectKinds[Kind]) {
      const key = `${kind} ${object.metadata?.namespace}/${object.metadata?.name}`
      inventory.apply(kind, known.get(key) as ObjectKinds[Kind] | undefined, object)
      known.set(key, object)
      return this
    },
    remove<Kind extends ObjectKind>(kind: Kind, object: ObjectKinds[Kind]) {
      inventory.apply(kind, object, undefined)
      known.delete(`${kind} ${object.metadata?.namespace}/${object.metadata?.name}`)
      return this
    },
    changes() {
      inventory.flush()
      const { addresses, policies } = inventory.published.takeChanges()
      return [...addresses, ...policies].sort()
    },
    workload: (name: string, namespace = 'shop') =>
      inventory.published.address(`k//Pod/${namespace}/${name}`)?.message.workload
  }
}

const pod = (
  name: string,
  o: { namespace?: string; labels?: object; annotations?: object; node?: string; ip?: string; uid?: string } = {}
): V1Pod => ({
  metadata: {
    name,
    namespace: o.namespace ?? 'shop',
    uid: o.uid ?? name,
    labels: { app: 'cart', ...o.labels } as Record<string, string>,
    annotations: { ...o.annotations } as Record<string, string>
  },
  spec: { serviceAccountName: 'cart', nodeName: o.node ?? 'n1', containers: [{ name: 'a', image: 'x' }] },
  status: { phase: 'Running', podIP: o.ip ?? '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] }
})
const service = (name: string, spec: object = {}, metadata: object = {}): V1Service => ({
  metadata: { name, namespace: 'shop', ...metadata },
  spec: { selector: { app: 'cart' }, clusterIP: '10.96.0.5', ports: [{ port: 80, targetPort: 8080 }], ...spec }
})
const namespace = (
  name: string,
  labels: Record<string, string> = {},
  annotations: Record<string, string> = {}
): V1Namespace => ({
  metadata: { name, labels, annotations }
})
const policy = (name: string, ns: string, selector?: Record<string, string>, extra: object = {}) => ({
  metadata: { name, namespace: ns },
  spec: { ...(selector ? { selector: { matchLabels: selector } } : {}), ...extra }
})
const peer = (
  name: string,
  ns: string,
  mode: 'STRICT' | 'PERMISSIVE',
  selector?: Record<string, string>,
  created = '2026-01-01T00:00:00Z'
) => ({
  metadata: { name, namespace: ns, creationTimestamp: created },
  spec: { mtls: { mode }, ...(selector ? { selector: { matchLabels: selector } } : {}) }
})
const gateway = (name: string, o: { ns?: string; labels?: object; listeners?: object[]; ip?: string } = {}) => ({
  metadata: { name, namespace: o.ns ?? 'shop', labels: { 'istio.io/waypoint-for': 'all', ...o.labels } },
  spec: {
    gatewayClassName: 'istio-waypoint',
    listeners: (o.listeners ?? [{ name: 'mesh', port: 15008, protocol: 'HBONE' }]) as never
  },
  status: { addresses: o.ip === '' ? [] : [{ type: 'IPAddress', value: o.ip ?? '10.96.40.1' }] }
})

const cart = 'shop/cart.shop.svc.cluster.local'
const strict = 'mesh-root/istio_converted_static_strict'

describe('what a change reaches', () => {
  it('[workload-xds-30] an annotation that no message holds changes nothing; the redirection does', () => {
    const h = harness().put('pod', pod('a'))
    expect(h.changes()).toEqual(['k//Pod/shop/a'])
    expect(h.put('pod', pod('a', { annotations: { note: 'x' } })).changes()).toEqual([])
    const captured = pod('a', { annotations: { 'ambient.istio.io/redirection': 'enabled' } })
    expect(h.put('pod', captured).changes()).toEqual(['k//Pod/shop/a'])
  })

  it('a selector change reaches the workloads gained and lost, not the Service', () => {
    const h = harness()
      .put('pod', pod('a', { ip: '10.0.0.1', labels: { v: '1' } }))
      .put('pod', pod('b', { ip: '10.0.0.2', labels: { v: '2' } }))
      .put('pod', pod('c', { ip: '10.0.0.3', labels: { app: 'other' } }))
      .put('service', service('cart', { selector: { v: '1' } }))
    h.changes()
    expect(Object.keys(h.workload('a')?.services ?? {})).toEqual([cart])
    expect(h.put('service', service('cart', { selector: { v: '2' } })).changes()).toEqual([
      'k//Pod/shop/a',
      'k//Pod/shop/b'
    ])
    expect(h.workload('a')?.services).toEqual({})
    expect(Object.keys(h.workload('b')?.services ?? {})).toEqual([cart])
  })

  it('a target port change reaches its workloads and the Service; a status change nobody', () => {
    const h = harness().put('pod', pod('a')).put('service', service('cart'))
    h.changes()
    const ports = [{ port: 80, targetPort: 9090 }]
    expect(h.put('service', service('cart', { ports })).changes()).toEqual(['k//Pod/shop/a', cart])
    expect(h.put('service', { ...service('cart', { ports }), status: { conditions: [] } }).changes()).toEqual([])
  })

  it('a node reaches its pods only by its locality', () => {
    const node = (labels: Record<string, string>) => ({ metadata: { name: 'n1', labels } })
    const h = harness()
      .put('pod', pod('a'))
      .put('pod', pod('b', { node: 'n2', ip: '10.0.0.2' }))
      .put('node', node({}))
    h.changes()
    expect(h.put('node', node({ heartbeat: '1' })).changes()).toEqual([])
    expect(h.put('node', node({ 'topology.kubernetes.io/zone': 'z' })).changes()).toEqual(['k//Pod/shop/a'])
  })

  it('a traffic annotation of the namespace reaches the services without their own', () => {
    const key = 'networking.istio.io/traffic-distribution'
    const h = harness()
      .put('namespace', namespace('shop'))
      .put('service', service('cart'))
      .put('service', service('own', {}, { annotations: { [key]: 'PreferSameNode' } }))
    h.changes()
    expect(h.put('namespace', namespace('shop', {}, { [key]: 'PreferClose' })).changes()).toEqual([cart])
  })

  it('the network label of the system namespace reaches everything', () => {
    const h = harness().put('pod', pod('a')).put('service', service('cart'))
    h.changes()
    const labels = { 'topology.istio.io/network': 'blue' }
    expect(h.put('namespace', namespace('istio-system', labels)).changes()).toEqual(['k//Pod/shop/a', cart])
    expect(h.workload('a')?.network).toBe('blue')
  })

  it('[workload-xds-23] a pod that has ended is withdrawn', () => {
    const h = harness().put('pod', pod('a'))
    h.changes()
    const ended = { ...pod('a'), status: { ...pod('a').status, phase: 'Succeeded' } }
    expect(h.put('pod', ended).changes()).toEqual(['k//Pod/shop/a'])
    expect(h.workload('a')).toBeUndefined()
  })

  it('deleted objects take their resources along', () => {
    const h = harness().put('pod', pod('a')).put('service', service('cart'))
    h.changes()
    expect(h.remove('pod', pod('a')).remove('service', service('cart')).changes()).toEqual(['k//Pod/shop/a', cart])
    expect([...h.published.addresses()]).toEqual([])
  })

  it('objects of another revision are another control plane’s', () => {
    const other = policy('p', 'shop')
    other.metadata = { ...other.metadata, labels: { 'istio.io/rev': 'green' } } as never
    expect(harness({ revision: 'blue' }).put('authorizationPolicy', other).changes()).toEqual([])
    expect(harness().put('authorizationPolicy', other).changes()).toEqual(['shop/p'])
  })
})

describe('policies on workloads', () => {
  it('[authorization-19, 20] selector policies of the root namespace and the workload’s, sorted; no others', () => {
    const app = { app: 'cart' }
    const h = harness()
      .put('pod', pod('a'))
      .put('authorizationPolicy', policy('l', 'shop', app))
      .put('authorizationPolicy', policy('r', 'mesh-root', app))
      .put('authorizationPolicy', policy('third', 'other', app))
      .put('authorizationPolicy', policy('misses', 'shop', { app: 'x' }))
      .put('authorizationPolicy', policy('all', 'shop'))
      .put('authorizationPolicy', policy('custom', 'shop', app, { action: 'CUSTOM' }))
      .put('authorizationPolicy', policy('target', 'shop', app, { targetRefs: [{ kind: 'Service', name: 'x' }] }))
    h.changes()
    expect(h.workload('a')?.authorizationPolicies).toEqual(['mesh-root/r', 'shop/l'])
    expect([...h.published.policies()].map(({ name }) => name).sort()).toEqual([
      'mesh-root/r',
      'other/third',
      'shop/all',
      'shop/l',
      'shop/misses'
    ])
  })

  it('a policy change reaches the policy, and workloads only when their list changes', () => {
    const h = harness()
      .put('pod', pod('a'))
      .put('pod', pod('b', { ip: '10.0.0.2', labels: { app: 'other' } }))
    h.changes()
    const rules = [{}]
    expect(h.put('authorizationPolicy', policy('p', 'shop', { app: 'cart' })).changes()).toEqual([
      'k//Pod/shop/a',
      'shop/p'
    ])
    expect(h.put('authorizationPolicy', policy('p', 'shop', { app: 'cart' }, { rules })).changes()).toEqual(['shop/p'])
    expect(h.put('authorizationPolicy', policy('p', 'shop', { app: 'other' }, { rules })).changes()).toEqual([
      'k//Pod/shop/a',
      'k//Pod/shop/b'
    ])
  })

  it('[authorization-27] static strict is there while any PeerAuthentication is', () => {
    const h = harness().put('pod', pod('a'))
    h.changes()
    const one = peer('p', 'shop', 'PERMISSIVE')
    expect(h.put('peerAuthentication', one).changes()).toEqual([strict])
    expect(h.workload('a')?.authorizationPolicies).toEqual([])
    expect(h.remove('peerAuthentication', one).changes()).toEqual([strict])
    expect(h.published.policy(strict)).toBeUndefined()
  })

  it('[authorization-28] a namespace’s STRICT over the mesh’s PERMISSIVE; a workload’s PERMISSIVE over both', () => {
    const h = harness()
      .put('pod', pod('a'))
      .put('pod', pod('b', { ip: '10.0.0.2', labels: { app: 'other' } }))
      .put('pod', pod('c', { ip: '10.0.0.3', namespace: 'elsewhere' }))
      .put('peerAuthentication', peer('mesh', 'mesh-root', 'PERMISSIVE'))
      .put('peerAuthentication', peer('ns', 'shop', 'STRICT'))
    h.changes()
    expect(h.workload('a')?.authorizationPolicies).toEqual([strict])
    expect(h.workload('c', 'elsewhere')?.authorizationPolicies).toEqual([])
    const own = peer('own', 'shop', 'PERMISSIVE', { app: 'cart' })
    expect(h.put('peerAuthentication', own).changes()).toEqual(['k//Pod/shop/a'])
    expect(h.workload('a')?.authorizationPolicies).toEqual([])
    expect(h.workload('b')?.authorizationPolicies).toEqual([strict])
  })

  it('[authorization-29] of two namespace objects the older decides', () => {
    const h = harness()
      .put('pod', pod('a'))
      .put('peerAuthentication', peer('young', 'shop', 'PERMISSIVE', undefined, '2026-03-01T00:00:00Z'))
      .put('peerAuthentication', peer('old', 'shop', 'STRICT', undefined, '2026-01-01T00:00:00Z'))
    h.changes()
    expect(h.workload('a')?.authorizationPolicies).toEqual([strict])
  })

  it('a parent’s change reaches the converted policies below it', () => {
    const own = {
      ...peer('own', 'shop', 'STRICT', { app: 'cart' }),
      spec: { selector: { matchLabels: { app: 'cart' } }, portLevelMtls: { 80: { mode: 'PERMISSIVE' as const } } }
    }
    const converted = 'shop/converted_peer_authentication_own'
    const h = harness().put('pod', pod('a')).put('peerAuthentication', own)
    expect(h.changes()).not.toContain(converted)
    const root = peer('mesh', 'mesh-root', 'STRICT')
    expect(h.put('peerAuthentication', root).changes()).toEqual(['k//Pod/shop/a', converted])
    expect(h.workload('a')?.authorizationPolicies).toEqual([converted])
    expect(h.remove('peerAuthentication', root).changes()).toEqual(['k//Pod/shop/a', converted])
  })
})

describe('waypoints', () => {
  const labelled = namespace('shop', { 'istio.io/use-waypoint': 'gate' })
  const bound = { address: { network: '', address: Uint8Array.of(10, 96, 40, 1) }, hboneMtlsPort: 15008 }

  it('[workload-xds-25] the namespace’s waypoint unless the pod says none or names one that is missing', () => {
    const h = harness()
      .put('namespace', labelled)
      .put('gateway', gateway('gate'))
      .put('pod', pod('a'))
      .put('pod', pod('none', { ip: '10.0.0.2', labels: { 'istio.io/use-waypoint': 'none' } }))
      .put('pod', pod('typo', { ip: '10.0.0.3', labels: { 'istio.io/use-waypoint': 'typo' } }))
    h.changes()
    expect(h.workload('a')?.waypoint).toEqual(bound)
    expect(h.workload('none')?.waypoint).toBeUndefined()
    expect(h.workload('typo')?.waypoint).toBeUndefined()
  })

  it('a Gateway that gets its address reaches everything bound to it; its instances use none', () => {
    const instance = pod('gate-1', {
      ip: '10.0.0.9',
      labels: { 'gateway.networking.k8s.io/gateway-name': 'gate', app: 'gate' }
    })
    const h = harness()
      .put('namespace', labelled)
      .put('gateway', gateway('gate', { ip: '' }))
      .put('pod', pod('a'))
      .put('pod', instance)
      .put('service', service('cart'))
    h.changes()
    expect(h.put('gateway', gateway('gate')).changes()).toEqual(['k//Pod/shop/a', cart])
    expect(h.remove('gateway', gateway('gate')).changes()).toEqual(['k//Pod/shop/a', cart])
  })

  it.each([
    ['All', { namespaces: { from: 'All' } }, true],
    ['Same', { namespaces: { from: 'Same' } }, false],
    ['no word', undefined, false],
    ['a selector that matches', { namespaces: { from: 'Selector', selector: { matchLabels: { tier: 'web' } } } }, true],
    ['a selector that does not', { namespaces: { from: 'Selector', selector: { matchLabels: { tier: 'db' } } } }, false]
  ])('a namespace that the listener allows by %s', (_, allowedRoutes, allowed) => {
    const listeners = [{ name: 'mesh', port: 15008, protocol: 'HBONE', allowedRoutes }]
    const labels = { tier: 'web', 'istio.io/use-waypoint': 'gate', 'istio.io/use-waypoint-namespace': 'infra' }
    const h = harness()
      .put('namespace', namespace('shop', labels))
      .put('gateway', gateway('gate', { ns: 'infra', listeners }))
      .put('pod', pod('a'))
    h.changes()
    expect(h.workload('a')?.waypoint !== undefined).toBe(allowed)
  })

  it('serves only the traffic it is for', () => {
    const h = harness()
      .put('namespace', labelled)
      .put('gateway', gateway('gate', { labels: { 'istio.io/waypoint-for': 'service' } }))
      .put('pod', pod('a'))
      .put('service', service('cart'))
    h.changes()
    expect(h.workload('a')?.waypoint).toBeUndefined()
    expect(h.published.address(cart)?.message.service?.waypoint).toEqual(bound)
  })
})

describe('with waypoint policies on', () => {
  const policyName = 'infra/istio_allow_waypoint_infra_gate'
  const instance = (name: string, ip: string): V1Pod => ({
    ...pod(name, { ip, namespace: 'infra', labels: { 'gateway.networking.k8s.io/gateway-name': 'gate', app: 'gate' } }),
    spec: { serviceAccountName: 'gate-sa', nodeName: 'n1', containers: [{ name: 'a', image: 'x' }] }
  })
  const allowedRoutes = { namespaces: { from: 'All' } }
  const listeners = [{ name: 'mesh', port: 15008, protocol: 'HBONE', allowedRoutes }]
  const use = { 'istio.io/use-waypoint': 'gate', 'istio.io/use-waypoint-namespace': 'infra' }

  // That an ALLOW of others refuses a peer is ztunnel's part of the statement.
  it('[authorization-30] bound workloads let in the waypoint’s own pods, once it has any', () => {
    const h = harness({ waypointPolicies: true })
      .put('gateway', gateway('gate', { ns: 'infra', listeners }))
      .put('service', service('cart', {}, { labels: use }))
      .put('pod', pod('a'))
      .put('pod', pod('b', { ip: '10.0.0.2', labels: { app: 'other' } }))
    h.changes()
    expect(h.workload('a')?.authorizationPolicies).toEqual([])
    expect(h.put('pod', instance('gate-1', '10.0.0.9')).changes()).toEqual([
      policyName,
      'k//Pod/infra/gate-1',
      'k//Pod/shop/a'
    ])
    expect(h.published.policy(policyName)?.message).toMatchObject({
      action: 0,
      scope: 2,
      rules: [{ clauses: [{ matches: [{ principals: [{ exact: 'cluster.local/ns/infra/sa/gate-sa' }] }] }] }]
    })
    expect(h.workload('a')?.authorizationPolicies).toEqual([policyName])
    expect(h.workload('b')?.authorizationPolicies).toEqual([])
    expect(h.workload('gate-1', 'infra')?.authorizationPolicies).toEqual([])
    h.remove('pod', instance('gate-1', '10.0.0.9')).changes()
    expect(h.published.policy(policyName)).toBeUndefined()
    expect(h.workload('a')?.authorizationPolicies).toEqual([])
  })
})

describe('a canary waypoint', () => {
  const labels = { 'istio.io/use-waypoint': 'gate', 'istio.io/use-waypoint-canary': 'next' }
  const weight = (text: string) => ({ 'istio.io/use-waypoint-canary-weight': text })
  const shares = (h: ReturnType<typeof harness>) =>
    h.published.address(cart)?.message.service?.weightedWaypoints?.map(({ weight }) => weight)
  const message = (h: ReturnType<typeof harness>) => h.statusesOf('service shop/cart')[0]?.wants[0]?.message
  const start = (annotations: object, ownLabels: object = labels) => {
    const h = harness()
      .put('gateway', gateway('gate'))
      .put('gateway', gateway('next', { ip: '10.96.40.2' }))
      .put('service', service('cart', {}, { labels: ownLabels, annotations }))
    h.changes()
    return h
  }

  it('takes its share, beside the primary', () => {
    expect(shares(start(weight('30')))).toEqual([70, 30])
    expect(shares(start({}))).toEqual([100, 0])
  })

  it.each([
    ['no number', weight('x'), labels, 'CanaryInvalidWeight'],
    ['more than all', weight('101'), labels, 'CanaryInvalidWeight'],
    ['the primary itself', weight('30'), { ...labels, 'istio.io/use-waypoint-canary': 'gate' }, 'CanarySameAsPrimary'],
    ['one that is not there', weight('30'), { ...labels, 'istio.io/use-waypoint-canary': 'typo' }, 'CanaryNotBound']
  ])('with %s the primary stays alone, and the condition says why', (_, annotations, ownLabels, problem) => {
    const h = start(annotations, ownLabels)
    expect(shares(h)).toBeUndefined()
    expect(h.published.address(cart)?.message.service?.waypoint).toBeDefined()
    expect(message(h)).toContain(problem)
  })

  it('comes from the namespace only where the object names no waypoint', () => {
    const h = harness()
      .put('namespace', { metadata: { name: 'shop', labels, annotations: weight('40') } })
      .put('gateway', gateway('gate'))
      .put('service', service('cart', {}, { labels: { 'istio.io/use-waypoint': 'gate' } }))
    h.changes()
    expect(shares(h)).toBeUndefined()
    h.put('service', service('cart'))
    h.changes()
    expect(shares(h)).toBeUndefined()
    expect(h.put('gateway', gateway('next', { ip: '10.96.40.2' })).changes()).toEqual([cart])
    expect(shares(h)).toEqual([60, 40])
  })
})

describe('endpoints that Kubernetes does not select', () => {
  const slice = (endpoint: object): V1EndpointSlice => ({
    addressType: 'IPv4',
    metadata: { name: 'cart-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'cart' } },
    endpoints: [endpoint as never],
    ports: [{ name: '', port: 8080 }]
  })
  const toPod = (uid: string) =>
    slice({ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', name: 'a', namespace: 'shop', uid } })

  it('[workload-xds-28] a slice’s pod gains the selector-less Service by name and uid, not by address', () => {
    const h = harness()
      .put('pod', pod('a', { uid: 'u1' }))
      .put('service', service('cart', { selector: undefined }))
    h.changes()
    expect(h.put('endpointSlice', toPod('other')).changes()).toEqual([])
    expect(h.put('endpointSlice', toPod('u1')).changes()).toEqual(['k//Pod/shop/a'])
    expect(h.workload('a')?.services).toEqual({ [cart]: { ports: [{ servicePort: 80, targetPort: 8080 }] } })
  })

  it('[workload-xds-28] other endpoints are workloads as long as the Service is known', () => {
    const uid = 'k/discovery.k8s.io/EndpointSlice/shop/cart-x/10.9.9.9'
    const h = harness().put('endpointSlice', slice({ addresses: ['10.9.9.9'] }))
    expect(h.changes()).toEqual([])
    expect(h.put('service', service('cart', { selector: undefined })).changes()).toEqual([uid, cart])
    expect(h.remove('service', service('cart', { selector: undefined })).changes()).toEqual([uid, cart])
  })
})

describe('ServiceEntry and WorkloadEntry', () => {
  const entry = (name: string, spec: object, created = '2026-01-01T00:00:00Z', ns = 'shop') => ({
    metadata: { name, namespace: ns, creationTimestamp: created },
    spec: {
      hosts: ['db.example'],
      resolution: 'STATIC' as const,
      ports: [{ number: 3306, name: 'tcp', protocol: 'TCP' }],
      ...spec
    }
  })

  it('publishes a service per host, its endpoints, and the entries and pods that it selects', () => {
    const h = harness()
      .put(
        'serviceEntry',
        entry('db', { addresses: ['240.0.0.1', '240.1.2.3/16'], workloadSelector: { labels: { app: 'db' } } })
      )
      .put('workloadEntry', {
        metadata: { name: 'vm', namespace: 'shop', labels: { app: 'db' } },
        spec: { address: '192.168.0.1', weight: 3 }
      })
      .put('pod', pod('a', { labels: { app: 'db' } }))
    expect(h.changes()).toEqual(['k//Pod/shop/a', 'k/networking.istio.io/WorkloadEntry/shop/vm', 'shop/db.example'])
    expect(h.published.address('shop/db.example')?.message.service?.addresses).toEqual([
      { network: '', address: Uint8Array.of(240, 0, 0, 1) },
      { network: '', address: Uint8Array.of(240, 1, 0, 0), length: 16 }
    ])
    const ports = { 'shop/db.example': { ports: [{ servicePort: 3306, targetPort: 3306 }] } }
    expect(h.workload('a')?.services).toEqual(ports)
    const vm = h.published.address('k/networking.istio.io/WorkloadEntry/shop/vm')?.message.workload
    expect(vm).toMatchObject({ services: ports, capacity: { value: 3 } })
  })

  it('a host with DNS resolution and no endpoints is a workload of that name', () => {
    const h = harness().put('serviceEntry', entry('db', { resolution: 'DNS' }))
    expect(h.changes()).toEqual(['k/networking.istio.io/ServiceEntry/shop/db/db.example', 'shop/db.example'])
  })

  it('of two entries for one host the older is published, and a Kubernetes Service before both', () => {
    const ip = (address: string) => ({ addresses: [address] })
    const old = entry('old', { ...ip('240.0.0.1'), hosts: ['cart.shop.svc.cluster.local'] })
    const young = entry('young', { ...ip('240.0.0.2'), hosts: ['cart.shop.svc.cluster.local'] }, '2026-05-01T00:00:00Z')
    const h = harness().put('serviceEntry', young).put('serviceEntry', old)
    h.changes()
    const name = () => h.published.address(cart)?.message.service?.name
    expect(name()).toBe('old')
    h.put('service', service('cart')).changes()
    expect(name()).toBe('cart')
    h.remove('service', service('cart')).changes()
    expect(name()).toBe('old')
    h.remove('serviceEntry', old).changes()
    expect(name()).toBe('young')
  })

  it('an entry that lost its host says nothing of the pods it selects', () => {
    const hosts = ['cart.shop.svc.cluster.local']
    const rival = entry('rival', { hosts, workloadSelector: { labels: { app: 'cart' } } })
    rival.spec.ports = [{ number: 80, name: 'http', protocol: 'TCP' }]
    const h = harness().put('pod', pod('a')).put('serviceEntry', rival).put('service', service('cart'))
    h.changes()
    const target = () => h.workload('a')?.services?.[cart]?.ports?.[0]?.targetPort
    expect(target()).toBe(8080)
    h.remove('service', service('cart')).changes()
    expect(target()).toBe(80)
  })
})

it('an object that cannot be computed is told, keeps what it had published, and stops nobody else', () => {
  const failed: string[] = []
  const h = harness({ onError: unit => failed.push(unit) }).put('pod', pod('a'))
  h.changes()
  const odd = { ...pod('a'), spec: { containers: 5 } } as never
  const ports = [{ port: 80, targetPort: 'web' }]
  h.put('service', service('cart', { ports }))
    .put('pod', odd)
    .put('pod', pod('b', { ip: '10.0.0.2' }))
  expect(h.changes()).toEqual(['k//Pod/shop/b', cart])
  expect(failed).toEqual(['pod shop/a'])
  expect(h.workload('a')?.node).toBe('n1')
})

it('node authorization sees pods by node, Failed ones not', () => {
  const h = harness()
    .put('pod', pod('a'))
    .put('pod', { ...pod('b', { ip: '10.0.0.2' }), status: { phase: 'Failed' } })
  expect([...h.podIndex.podsOnNode('n1')].map(({ name }) => name)).toEqual(['a'])
  h.put('pod', pod('a', { node: 'n2' }))
  expect([...h.podIndex.podsOnNode('n1')]).toEqual([])
  expect(h.podIndex.pod('shop', 'a')).toMatchObject({ node: 'n2', uid: 'a', serviceAccount: 'cart' })
  h.remove('pod', pod('a'))
  expect(h.podIndex.pod('shop', 'a')).toBeUndefined()
})

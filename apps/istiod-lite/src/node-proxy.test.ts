import { createCaClient } from '@culvert/certificates'
import { createPolicyStore, createWorkloadIndex, createDiscoveryClient } from '@culvert/workloads'
import { authorizationPolicies, pods, services, type V1Pod } from '@culvert/kubernetes'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../test/eventually.ts'
import { type ControlPlane, startControlPlane } from '../test/control-plane.ts'
import { ztunnelNode } from '../test/grpc-client.ts'

let plane: ControlPlane
let token: string
const stop = new AbortController()

const shopPod = (name: string, ip: string): V1Pod => ({
  metadata: {
    name,
    namespace: 'shop',
    labels: { app: 'cart' },
    annotations: { 'ambient.istio.io/redirection': 'enabled' }
  },
  spec: { serviceAccountName: 'cart', nodeName: 'n1', containers: [{ name: 'app', image: 'x' }] },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] }
})

beforeAll(async () => {
  plane = await startControlPlane()
  await plane.createNamespace('shop')
  await plane.createAccount('istio-system', 'ztunnel')
  await plane.createAccount('shop', 'cart')
  const ztunnel = await plane.createPod({
    metadata: { name: 'zt-1', namespace: 'istio-system' },
    spec: { serviceAccountName: 'ztunnel', nodeName: 'n1', containers: [{ name: 'app', image: 'x' }] }
  })
  token = await plane.token({ namespace: 'istio-system', serviceAccount: 'ztunnel', pod: ztunnel })
}, 30_000)
afterAll(async () => {
  stop.abort()
  await plane[Symbol.asyncDispose]()
})

it('[authorization-18] our node proxy’s own clients are ready with no policy there, and follow index, policies and certificates over a restart', async () => {
  const index = createWorkloadIndex({ localNode: 'n1' })
  const policies = createPolicyStore()
  const silent = { debug: () => {}, info: () => {}, warn: () => {} }
  const address = `https://127.0.0.1:${plane.securePort}`
  const discovery = createDiscoveryClient({
    address,
    roots: async () => plane.root,
    token: async () => token,
    clusterId: 'Kubernetes',
    alternativeHostname: 'istiod.istio-system.svc',
    node: ztunnelNode({ pod: 'zt-1' }),
    index,
    policies,
    log: silent
  })
  discovery.start({ signal: stop.signal })
  await discovery.ready
  expect([...policies.policies()]).toEqual([])

  await plane.createPod(shopPod('cart-0', '10.0.0.2'))
  const spec = { selector: { app: 'cart' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] }
  const service = await plane.client.create(services, { metadata: { name: 'cart', namespace: 'shop' }, spec })
  const vip = service.spec?.clusterIP ?? ''
  const endpoints = () => [...(index.serviceByVip('', vip, 'shop')?.endpoints.values() ?? [])].length
  await eventually(endpoints).toBe(1)
  expect(index.workloadByIp('', '10.0.0.2')).toMatchObject({
    name: 'cart-0',
    serviceAccount: 'cart',
    trustDomain: 'cluster.local'
  })

  const selector = { matchLabels: { app: 'cart' } }
  await plane.client.create(authorizationPolicies, { metadata: { name: 'p', namespace: 'shop' }, spec: { selector } })
  await eventually(() => policies.policy('shop/p')?.scope).toBeDefined()
  await eventually(() => index.workloadByIp('', '10.0.0.2')?.authorizationPolicies).toEqual(['shop/p'])

  const wanted = 'spiffe://cluster.local/ns/shop/sa/cart'
  const ca = createCaClient({
    address,
    rootCa: plane.root,
    altHostname: 'istiod.istio-system.svc',
    token,
    clusterId: 'Kubernetes',
    ttlSeconds: 3600,
    impersonate: true
  })
  const certificate = await ca.fetch(wanted)
  expect(certificate.roots).toHaveLength(1)
  await expect(ca.fetch('spiffe://cluster.local/ns/shop/sa/other')).rejects.toThrow()
  ca.close()

  // What changes while nobody serves arrives with the next connection: an addition, and a removal.
  const port = plane.securePort
  await plane.stop()
  await plane.client.delete(pods, { namespace: 'shop', name: 'cart-0' }, { gracePeriodSeconds: 0 })
  await plane.createPod(shopPod('cart-1', '10.0.0.3'))
  expect(index.workloadByIp('', '10.0.0.2')).toBeDefined()
  await using second = await startControlPlane({ beside: plane, arguments: [`--secureGRPCAddr=127.0.0.1:${port}`] })
  await eventually(() => index.workloadByIp('', '10.0.0.3')?.name).toBe('cart-1')
  expect(index.workloadByIp('', '10.0.0.2')).toBeUndefined()
  expect(endpoints()).toBe(1)
  expect(second.root).toBe(plane.root)
})

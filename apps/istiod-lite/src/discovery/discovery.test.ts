import { authorizationPolicies, type AuthorizationPolicy, gateways, pods, services } from '@culvert/kubernetes'
import { addressTypeUrl, authorizationTypeUrl, decodeAddress, decodeAuthorization } from '@culvert/workloads'
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../test/eventually.ts'
import { type ControlPlane, startControlPlane } from '../../test/control-plane.ts'
import { openXds, ztunnelNode } from '../../test/grpc-client.ts'
import { bearer, meshPod, openShop, plaintext, secure } from '../istiod.test-helper.ts'

let plane: ControlPlane
let ztunnelToken: string

beforeAll(async () => {
  plane = await startControlPlane()
  ;({ ztunnelToken } = await openShop(plane))
}, 30_000)
afterAll(() => plane[Symbol.asyncDispose]())

describe('discovery', () => {
  const node = ztunnelNode({ pod: 'zt-1' })

  it('[workload-xds-21, 30] carries what is there, then only what changes, until the pod is gone', async () => {
    using stream = openXds(secure(plane), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node })
    stream.send({ typeUrl: authorizationTypeUrl, node })
    const first = await stream.next()
    expect(first.typeUrl).toBe(addressTypeUrl)
    expect(first.resources?.map(({ name }) => name)).toContain('Kubernetes//Pod/shop/cart-0')
    stream.send({ typeUrl: addressTypeUrl, responseNonce: first.nonce ?? '' })
    const policies = await stream.next()
    stream.send({ typeUrl: authorizationTypeUrl, responseNonce: policies.nonce ?? '' })

    const ip = '10.0.1.1'
    const made = await plane.createPod(meshPod('late', 'shop', 'cart', 'n1', ip))
    const uid = 'Kubernetes//Pod/shop/late'
    const added = await stream.next()
    expect(added.resources?.map(({ name }) => name)).toEqual([uid])
    expect(decodeAddress(added.resources?.[0]?.resource?.value ?? new Uint8Array()).workload).toMatchObject({
      serviceAccount: 'cart',
      node: 'n1',
      addresses: [Buffer.from([10, 0, 1, 1])]
    })

    // This alters no message; the next response is the removal, and not a second copy of the workload.
    const ref = { namespace: 'shop', name: 'late' }
    await plane.client.patch(pods, ref, { metadata: { annotations: { note: 'x' } } }, { type: 'merge' })
    await plane.client.delete(pods, ref, { uid: made.metadata?.uid, gracePeriodSeconds: 0 })
    const removed = await stream.next()
    expect([removed.resources ?? [], removed.removedResources]).toEqual([[], [uid]])
  })

  it('pushes a policy to the streams that want policies, and its condition to the object', async () => {
    using stream = openXds(secure(plane), bearer(ztunnelToken))
    stream.send({ typeUrl: authorizationTypeUrl, node })
    await stream.next()
    const policy: AuthorizationPolicy = {
      metadata: { name: 'till', namespace: 'shop' },
      spec: { rules: [{ from: [{ source: { namespaces: ['web'] } }], to: [{ operation: { methods: ['GET'] } }] }] }
    }
    const made = await plane.client.create(authorizationPolicies, policy)
    const pushed = await stream.next()
    expect(pushed.resources?.map(({ name }) => name)).toEqual(['shop/till'])
    expect(decodeAuthorization(pushed.resources?.[0]?.resource?.value ?? new Uint8Array())).toMatchObject({ scope: 1 })

    const ref = { namespace: 'shop', name: 'till' }
    await eventually(
      async () => (await plane.client.get(authorizationPolicies, ref))?.status?.conditions
    ).toMatchObject([{ type: 'ZtunnelAccepted', status: 'True', reason: 'UnsupportedValue', observedGeneration: 1 }])
    const now = await plane.client.get(authorizationPolicies, ref)
    const owners = now?.metadata?.managedFields?.filter(({ subresource }) => subresource === 'status')
    expect(owners?.map(({ manager, operation }) => [manager, operation])).toEqual([
      ['istio-ambient-ztunnel-policy', 'Apply']
    ])

    const targeted = { ...policy.spec, targetRefs: [{ kind: 'Service', name: 'x', group: '' }] }
    await plane.client.replace(authorizationPolicies, { ...made, spec: targeted, metadata: { ...now?.metadata } })
    await eventually(
      async () => (await plane.client.get(authorizationPolicies, ref))?.status?.conditions ?? []
    ).toMatchObject([{ type: 'WaypointAccepted', status: 'False', reason: 'TargetNotFound', observedGeneration: 2 }])
    await plane.client.delete(authorizationPolicies, ref)
  })

  it('[workload-xds-29] [authorization-26] says which waypoint a Service and a policy are bound to, and prunes it', async () => {
    const { client } = plane
    await plane.createNamespace('way')
    await client.create(gateways, {
      metadata: { name: 'gate', namespace: 'way' },
      spec: {
        gatewayClassName: 'istio-waypoint',
        listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }]
      }
    })
    const address = { status: { addresses: [{ type: 'IPAddress', value: '10.96.40.1' }] } }
    const service = { namespace: 'way', name: 'ledger' }
    const labels = { 'istio.io/use-waypoint': 'gate' }
    await client.create(services, { metadata: { ...service, labels }, spec: { ports: [{ port: 80 }] } })
    const targetRefs = [
      { kind: 'Service', group: '', name: 'ledger' },
      { kind: 'Service', group: '', name: 'typo' }
    ]
    const policy = { namespace: 'way', name: 'p' }
    await client.create(authorizationPolicies, { metadata: policy, spec: { targetRefs, rules: [{}] } })
    const ofService = async () => (await client.get(services, service))?.status?.conditions ?? []
    const ofPolicy = async () => (await client.get(authorizationPolicies, policy))?.status?.conditions ?? []
    await eventually(ofService).toMatchObject([
      { type: 'istio.io/WaypointBound', status: 'False', reason: 'WaypointIsNotReady' }
    ])

    await client.patch(gateways, { namespace: 'way', name: 'gate' }, address, { type: 'merge', subresource: 'status' })
    await eventually(ofService).toMatchObject([
      { status: 'True', reason: 'WaypointAccepted', message: expect.stringContaining('way/gate') }
    ])
    await eventually(ofPolicy).toMatchObject([
      {
        type: 'WaypointAccepted',
        status: 'True',
        reason: 'PartiallyInvalid',
        message: 'Invalid targetRefs: Service.core:way/typo'
      }
    ])
    const published = await fetch(`http://127.0.0.1:${plane.httpPort}/debug/ambientz`)
    expect((await published.text()).includes('"name":"p"')).toBe(false)

    const unlabelled = { metadata: { labels: { 'istio.io/use-waypoint': null } } }
    await client.patch(services, service, unlabelled, { type: 'merge' })
    await eventually(ofService).toEqual([])
    await client.delete(services, service)
    await client.delete(gateways, { namespace: 'way', name: 'gate' })
    await client.delete(authorizationPolicies, policy)
    // Other tests count on streams that are quiet.
    await plane.published(names => !names.includes('ledger.way.svc.cluster.local'))
  })

  it('resends the workloads of a Service that changes', async () => {
    const service = {
      metadata: { name: 'cart', namespace: 'shop' },
      spec: { selector: { app: 'cart-0' }, ports: [{ port: 80 }] }
    }
    using stream = openXds(secure(plane), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node })
    await stream.next()
    await plane.client.create(services, service)
    const names = ['Kubernetes//Pod/shop/cart-0', 'shop/cart.shop.svc.cluster.local']
    expect((await stream.next()).resources?.map(({ name }) => name).sort()).toEqual(names)
    await plane.client.delete(services, { namespace: 'shop', name: 'cart' })
    const gone = await stream.next()
    expect([gone.resources?.map(({ name }) => name), gone.removedResources]).toEqual([[names[0]], [names[1]]])
  })

  it.each([
    ['no node', undefined, status.INVALID_ARGUMENT, 'missing node'],
    ['no id', { metadata: {} }, status.INVALID_ARGUMENT, 'missing node'],
    [
      'an id of three parts',
      { ...node, id: 'ztunnel~10.0.0.1~zt-1.istio-system' },
      status.INVALID_ARGUMENT,
      'missing parts'
    ],
    ['an unknown type', { ...node, id: node.id?.replace('ztunnel', 'proxy') ?? '' }, status.INVALID_ARGUMENT, 'type'],
    ['no address', { id: 'ztunnel~x~zt-1.istio-system~d', metadata: {} }, status.INVALID_ARGUMENT, 'IP'],
    ['another namespace', ztunnelNode({ pod: 'zt-1', namespace: 'shop' }), status.PERMISSION_DENIED, 'namespace'],
    [
      'another account',
      { ...node, metadata: { ...node.metadata, SERVICE_ACCOUNT: 'other' } },
      status.PERMISSION_DENIED,
      'service account'
    ]
  ])('[workload-xds-20] refuses a first request with %s', async (_, given, code, details) => {
    using stream = openXds(secure(plane), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, ...(given === undefined ? {} : { node: given }) })
    await expect(stream.next()).rejects.toMatchObject({ code, details: expect.stringContaining(details) })
  })

  it.each([
    ['an invalid token', { authorization: 'Bearer not-a-token' }],
    ['no token', {}],
    ['a token for another cluster', () => bearer(ztunnelToken, 'elsewhere')]
  ])('[workload-xds-20] refuses %s', async (_, headers) => {
    using stream = openXds(
      secure(plane),
      typeof headers === 'function' ? headers() : (headers as Record<string, string>)
    )
    stream.send({ typeUrl: addressTypeUrl, node })
    await expect(stream.next()).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: 'authentication failure'
    })
  })

  it('serves the plaintext port without asking who is there', async () => {
    using stream = openXds(plaintext(plane))
    stream.send({ typeUrl: addressTypeUrl, node })
    expect((await stream.next()).typeUrl).toBe(addressTypeUrl)
  })

  it('refuses a ztunnel when ambient is off', async () => {
    await using off = await startControlPlane({ beside: plane, environment: { PILOT_ENABLE_AMBIENT: 'false' } })
    using stream = openXds(secure(off), bearer(ztunnelToken))
    stream.send({ typeUrl: addressTypeUrl, node })
    await expect(stream.next()).rejects.toMatchObject({ code: status.UNKNOWN })
  })
})

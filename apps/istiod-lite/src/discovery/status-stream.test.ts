import { addressTypeUrl, authorizationTypeUrl, clientConfigTypeUrl, decodeClientConfig } from '@culvert/workloads'
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ControlPlane, startControlPlane } from '../../test/control-plane.ts'
import { openStatus, openXds, ztunnelNode } from '../../test/grpc-client.ts'
import { bearer, openShop, plaintext, secure } from '../istiod.test-helper.ts'

let plane: ControlPlane
let ztunnelToken: string
let cartToken: string

beforeAll(async () => {
  plane = await startControlPlane()
  ;({ ztunnelToken, cartToken } = await openShop(plane))
}, 30_000)
afterAll(() => plane[Symbol.asyncDispose]())

describe('the stream that istioctl proxy-status opens', () => {
  const asking = (pod = 'istioctl', namespace = 'istio-system') => {
    const { id, metadata } = ztunnelNode({ pod, namespace })
    return { id: id?.replace('ztunnel~', 'sidecar~') ?? '', metadata: { ...metadata, GENERATOR: 'event' } }
  }
  const typeUrl = 'istio.io/debug/syncz'
  const shown = async (stream: ReturnType<typeof openStatus>, request: Parameters<typeof stream.send>[0]) => {
    stream.send(request)
    const { resources = [], controlPlane, ...rest } = await stream.next()
    expect(rest.typeUrl).toBe(typeUrl)
    expect(JSON.parse(controlPlane?.identifier ?? '')).toMatchObject({
      Component: 'istiod',
      ID: 'istiod',
      Info: { version: expect.any(String), revision: expect.any(String), status: 'Clean' }
    })
    expect(resources.every(resource => resource.typeUrl === clientConfigTypeUrl)).toBe(true)
    return {
      nonce: rest.nonce ?? '',
      clients: resources.map(({ value }) => decodeClientConfig(value ?? new Uint8Array()))
    }
  }

  it('[observability-dns-28] tells of each client and type how far it is, and answers an acknowledgement with nothing', async () => {
    using client = openXds(secure(plane), bearer(ztunnelToken))
    client.send({ typeUrl: addressTypeUrl, node: ztunnelNode({ pod: 'zt-1' }) })
    const addresses = await client.next()
    client.send({ typeUrl: authorizationTypeUrl })
    const policies = await client.next()
    client.send({ typeUrl: addressTypeUrl, responseNonce: addresses.nonce ?? '' })
    const errorDetail = { code: 3, message: 'shop/x: no rule' }
    client.send({ typeUrl: authorizationTypeUrl, responseNonce: policies.nonce ?? '', errorDetail })
    client.send({ typeUrl: 'type.googleapis.com/third' })
    await client.next()

    using stream = openStatus(secure(plane), bearer(ztunnelToken))
    const { nonce, clients } = await shown(stream, { node: asking(), typeUrl, responseNonce: '2026-11-21 18:47' })
    const lastUpdated = expect.any(Number)
    expect(clients.find(({ node }) => node?.id === 'zt-1.istio-system')).toEqual({
      node: { id: 'zt-1.istio-system', metadata: { CLUSTER_ID: 'Kubernetes', NAMESPACE: 'istio-system' } },
      genericXdsConfigs: [
        {
          typeUrl: authorizationTypeUrl,
          lastUpdated,
          configStatus: 4,
          errorState: { lastUpdateAttempt: lastUpdated, details: 'shop/x: no rule' }
        },
        { typeUrl: addressTypeUrl, lastUpdated, configStatus: 1 },
        { typeUrl: 'type.googleapis.com/third', lastUpdated, configStatus: 3 }
      ]
    })
    expect(clients.some(({ node }) => node?.id?.startsWith('istioctl'))).toBe(false)
    stream.send({ typeUrl, responseNonce: nonce })
    // One more answer, and not two: the acknowledgement before it got none.
    await shown(stream, { typeUrl })
    expect(stream.waiting).toBe(0)
  })

  it('shows others than the mesh’s own the clients of their namespace', async () => {
    using client = openXds(secure(plane), bearer(ztunnelToken))
    client.send({ typeUrl: addressTypeUrl, node: ztunnelNode({ pod: 'zt-1' }) })
    await client.next()
    using stream = openStatus(secure(plane), bearer(cartToken))
    expect((await shown(stream, { node: asking('cart-0', 'shop'), typeUrl })).clients).toEqual([])
  })

  it.each([
    ['a caller that nobody vouches for', () => openStatus(secure(plane)), typeUrl, status.UNAUTHENTICATED],
    ['the plaintext port', () => openStatus(plaintext(plane)), typeUrl, status.UNAUTHENTICATED],
    ['another type', () => openStatus(secure(plane), bearer(ztunnelToken)), addressTypeUrl, status.UNIMPLEMENTED]
  ])('refuses %s', async (_, open, typeUrl, code) => {
    using stream = open()
    stream.send({ node: asking(), typeUrl })
    await expect(stream.next()).rejects.toMatchObject({ code })
  })
})

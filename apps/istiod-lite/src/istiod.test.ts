import { X509Certificate } from 'node:crypto'
import { status } from '@grpc/grpc-js'
import { credentials } from '@grpc/grpc-js'
import { addressTypeUrl, authorizationTypeUrl, decodeAddress } from '@culvert/workloads'
import { peerAuthentications, pods, services } from '@culvert/kubernetes'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ControlPlane, startControlPlane } from '../test/control-plane.ts'
import { connect, openXds, requestCertificate, secureCredentials, ztunnelNode } from '../test/grpc-client.ts'

let plane: ControlPlane
let bearer: string
beforeAll(async () => {
  plane = await startControlPlane()
  bearer = `Bearer ${await plane.token({ namespace: 'istio-system', serviceAccount: 'ztunnel' })}`
}, 20_000)
afterAll(() => plane[Symbol.asyncDispose]())

const secure = () => connect(plane.securePort, secureCredentials(plane.root))
const headers = () => ({ authorization: bearer, clusterid: 'Kubernetes' })

it('[workload-xds-21, authorization-18] an empty mesh answers each type once, and nothing after its ACK', async () => {
  using stream = openXds(secure(), headers())
  stream.send({ typeUrl: authorizationTypeUrl, node: ztunnelNode() })
  const policies = await stream.next()
  expect(policies).toMatchObject({ typeUrl: authorizationTypeUrl, nonce: expect.stringMatching(/./) })
  expect(policies.resources ?? []).toEqual([])
  stream.send({ typeUrl: authorizationTypeUrl, responseNonce: policies.nonce ?? '' })
  stream.send({ typeUrl: addressTypeUrl, node: ztunnelNode() })
  const addresses = await stream.next()
  expect(addresses.typeUrl).toBe(addressTypeUrl)
  expect(stream.waiting).toBe(0)
})

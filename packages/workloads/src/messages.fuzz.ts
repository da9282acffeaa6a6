import assert from 'node:assert/strict'
import { systemClock } from '@culvert/clock'
import { accepted, assertPlainText, type FuzzTarget, mutateProtobuf } from '@culvert/testing'
import { createAddressHandler, createAuthorizationHandler } from './client/resource-handler.ts'
import { createDemands } from './client/demands.ts'
import { createSubscription } from './client/subscription.ts'
import { convertAuthorization } from './conversion/authorization.ts'
import { convertService } from './conversion/service.ts'
import { convertWorkload } from './conversion/workload.ts'
import { dumpPolicies } from './dump/dump-policy.ts'
import { dumpServices, dumpStagedServices, dumpWorkloads } from './dump/dump-workload.ts'
import { readDeltaResponse } from './messages/delta-response.ts'
import {
  addressTypeUrl,
  authorizationTypeUrl,
  decodeDeltaRequest,
  decodeDeltaResponse,
  encodeDeltaRequest,
  encodeDeltaResponse
} from './messages/discovery-codec.ts'
import { decodeAddress, decodeAuthorization, encodeAddress, encodeAuthorization } from './messages/resource-codec.ts'
import { serviceKey } from './model/workload.ts'
import { createPolicyStore } from './state/policy-store.ts'
import { createWorkloadIndex } from './state/workload-index.ts'

const workload = encodeAddress({
  workload: {
    uid: 'c//Pod/shop/cart-1',
    name: 'cart-1',
    namespace: 'shop',
    addresses: [Buffer.from([10, 20, 0, 9]), Buffer.alloc(16, 1)],
    tunnelProtocol: 1,
    waypoint: { hostname: { namespace: 'shop', hostname: 'wp.shop' }, hboneMtlsPort: 15008 },
    networkGateway: { address: { network: 'n', address: Buffer.from([10, 1, 1, 1]) }, hboneMtlsPort: 15008 },
    services: { 'shop/cart.shop': { ports: [{ servicePort: 80, targetPort: 8080 }] } },
    authorizationPolicies: ['shop/p'],
    locality: { region: 'r', zone: 'z' },
    applicationTunnel: { protocol: 1, port: 15088 },
    capacity: { value: 2 }
  }
})
const service = encodeAddress({
  service: {
    name: 'cart',
    namespace: 'shop',
    hostname: 'cart.shop',
    addresses: [
      { network: 'n', address: Buffer.from([10, 96, 7, 3]), length: 24 },
      { network: '', address: Buffer.from([10, 96, 7, 3]) }
    ],
    ports: [{ servicePort: 80, targetPort: 8080 }],
    subjectAltNames: ['spiffe://mesh.demo/ns/shop/sa/cart'],
    loadBalancing: { routingPreference: [1, 2], mode: 2, healthPolicy: 1 },
    weightedWaypoints: [{ destination: { hostname: { namespace: 'shop', hostname: 'wp.shop' } }, weight: 3 }]
  }
})
const policy = encodeAuthorization({
  name: 'p',
  namespace: 'shop',
  scope: 1,
  rules: [
    {
      clauses: [
        {
          matches: [
            {
              principals: [{ exact: 'mesh.demo/ns/web/sa/front' }, { presence: {} }],
              notSourceIps: [{ address: Buffer.from([10, 0, 0, 0]), length: 8 }],
              serviceAccounts: [{ namespace: 'shop', serviceAccount: 'cart' }],
              destinationPorts: [80]
            }
          ]
        }
      ]
    }
  ]
})

const words = ['shop/cart.shop', 'c//Pod/shop/cart-1', '/', '__proto__', 'toString', '\x1b[2J\n', '\u2028', '*'].map(
  word => Buffer.from(word)
)
const log = { debug: () => {}, warn: () => {} }

/** What decodes again to the same, as bytes that are the same from then on. */
function agrees<Message>(
  message: Message,
  encode: (message: Message) => Uint8Array,
  decode: (bytes: Uint8Array) => Message
): void {
  const bytes = encode(message)
  assert.deepEqual(decode(bytes), message)
  assert.deepEqual(encode(decode(bytes)), bytes)
}

const address: FuzzTarget = {
  name: 'xds-address',
  seeds: [workload, service].map(bytes => Buffer.from(bytes)),
  words,
  mutate: mutateProtobuf,
  run(input) {
    const message = accepted(() => decodeAddress(input), 'WORKLOADS_UNDECODABLE')
    if (message === undefined) return false
    agrees(message, encodeAddress, decodeAddress)
    const index = createWorkloadIndex()
    const names: string[] = []
    if (message.workload !== undefined) {
      const converted = accepted(() => convertWorkload(message.workload!), 'WORKLOADS_REJECTED')
      if (converted === undefined) return false
      index.apply({ updates: [{ kind: 'workload', workload: converted }], removals: [] })
      const [found] = index.workloads()
      // The compact form keeps everything.
      assert.deepEqual({ ...found }, converted)
      names.push(converted.uid)
    } else if (message.service !== undefined) {
      const converted = accepted(() => convertService(message.service!), 'WORKLOADS_REJECTED')
      if (converted === undefined) return false
      index.apply({ updates: [{ kind: 'service', service: converted }], removals: [] })
      const [found] = index.services()
      assert.equal(found?.hostname, converted.hostname)
      // A slash in the namespace makes the key that of another service, which removes nothing.
      if (!converted.namespace.includes('/')) names.push(serviceKey(converted))
    }
    assert.doesNotThrow(() =>
      JSON.stringify([[...dumpWorkloads(index)], [...dumpServices(index)], dumpStagedServices(index)])
    )
    if (names.length === 0) return false
    index.apply({ updates: [], removals: names })
    assert.deepEqual([[...index.workloads()], [...index.services()], [...index.stagedEndpoints()]], [[], [], []])
    return true
  }
}

const authorization: FuzzTarget = {
  name: 'xds-authorization',
  seeds: [Buffer.from(policy)],
  words,
  mutate: mutateProtobuf,
  run(input) {
    const message = accepted(() => decodeAuthorization(input), 'WORKLOADS_UNDECODABLE')
    if (message === undefined) return false
    agrees(message, encodeAuthorization, decodeAuthorization)
    const converted = accepted(() => convertAuthorization(message), 'WORKLOADS_REJECTED')
    if (converted === undefined) return false
    const store = createPolicyStore()
    store.apply({ updates: [['r', converted]], removals: [] })
    assert.equal(store.policy('r'), converted)
    assert.doesNotThrow(() => JSON.stringify([...dumpPolicies(store)]))
    store.apply({ updates: [], removals: ['r'] })
    assert.deepEqual([[...store.policies()], store.global().size], [[], 0])
    return true
  }
}

const goodResponse = readDeltaResponse(
  encodeDeltaResponse({
    typeUrl: addressTypeUrl,
    nonce: 'good',
    resources: [{ name: 'good', version: '1', resource: { value: workload } }]
  })
)

const response: FuzzTarget = {
  name: 'xds-response',
  seeds: [
    { typeUrl: addressTypeUrl, name: 'c//Pod/shop/cart-1', value: workload },
    { typeUrl: addressTypeUrl, name: 'shop/cart.shop', value: service },
    { typeUrl: authorizationTypeUrl, name: 'shop/p', value: policy },
    // A name that went into the NACK as it was.
    { typeUrl: addressTypeUrl, name: '\x1b[2J\nshop/p', value: policy }
  ].map(({ typeUrl, name, value }) => {
    const resources = [{ name, version: '1', aliases: ['n/10.20.0.9'], resource: { typeUrl, value } }]
    return Buffer.from(encodeDeltaResponse({ typeUrl, nonce: 'n', resources, removedResources: ['b', '/', 'x/y'] }))
  }),
  words: [...words, ...[workload, service, policy].map(bytes => Buffer.from(bytes))],
  mutate: mutateProtobuf,
  async run(input) {
    const whole = accepted(() => decodeDeltaResponse(input), 'WORKLOADS_UNDECODABLE')
    const message = accepted(() => readDeltaResponse(input), 'WORKLOADS_UNDECODABLE')
    if (whole !== undefined) {
      agrees(whole, encodeDeltaResponse, decodeDeltaResponse)
      const { typeUrl = '', nonce = '', resources = [], removedResources = [] } = whole
      assert.ok(message !== undefined, 'the outline of a message cannot be read')
      assert.deepEqual([message.typeUrl, message.nonce, message.resourceCount], [typeUrl, nonce, resources.length])
      assert.deepEqual([[...message.resources()], [...message.removed()]], [resources, removedResources])
    }
    if (message === undefined) return false
    const index = createWorkloadIndex({ localNode: '' })
    const policies = createPolicyStore()
    let isTaken = false
    for (const [typeUrl, handle] of [
      [addressTypeUrl, createAddressHandler(index, log)],
      [authorizationTypeUrl, createAuthorizationHandler(policies)]
    ] as const) {
      const subscription = createSubscription({
        typeUrl,
        handle,
        demands: createDemands({ ask: () => {}, clock: systemClock })
      })
      const { request, clean } = await subscription.receive(message)
      isTaken ||= clean
      assert.equal(clean, request.errorDetail === undefined)
      if (request.errorDetail?.message !== undefined) assertPlainText(request.errorDetail.message, 16_384)
      assert.equal(decodeDeltaRequest(encodeDeltaRequest(request)).errorDetail?.message, request.errorDetail?.message)
      await subscription.open({ id: 'n' }, opening => void decodeDeltaRequest(opening))
      if (typeUrl !== addressTypeUrl) continue
      assert.equal((await subscription.receive(goodResponse)).clean, true)
      assert.ok([...index.workloads()].some(({ uid }) => uid === 'c//Pod/shop/cart-1'))
    }
    return isTaken
  }
}

export const targets: readonly FuzzTarget[] = [address, authorization, response]

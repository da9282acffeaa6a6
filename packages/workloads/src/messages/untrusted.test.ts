import { describe, expect, it } from 'vitest'
import { createAddressHandler, createAuthorizationHandler } from '../client/resource-handler.ts'
import { WorkloadsError } from '../errors.ts'
import { createPolicyStore } from '../state/policy-store.ts'
import { createWorkloadIndex } from '../state/workload-index.ts'
import { readDeltaResponse } from './delta-response.ts'
import { decodeDeltaRequest, decodeDeltaResponse, encodeDeltaRequest, encodeDeltaResponse } from './discovery-codec.ts'
import { seeded } from '../testing/seeded.ts'
import { encodeAddress, encodeAuthorization } from './resource-codec.ts'

/** Some bytes replaced, and sometimes an end cut off. */
function damaged(sample: Uint8Array, next: (limit: number) => number): Buffer {
  const bytes = Buffer.from(sample)
  for (let changes = next(6); changes > 0; changes--) bytes[next(bytes.length)] = next(256)
  return next(4) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes
}

const workload = encodeAddress({
  workload: {
    uid: 'c//Pod/shop/cart-1',
    name: 'cart-1',
    namespace: 'shop',
    addresses: [Buffer.from([10, 20, 0, 9])],
    tunnelProtocol: 1,
    waypoint: { hostname: { namespace: 'shop', hostname: 'wp.shop' }, hboneMtlsPort: 15008 },
    services: { 'shop/cart.shop': { ports: [{ servicePort: 80, targetPort: 8080 }] } },
    capacity: { value: 2 }
  }
})
const service = encodeAddress({
  service: {
    name: 'cart',
    namespace: 'shop',
    hostname: 'cart.shop',
    addresses: [{ network: 'n', address: Buffer.from([10, 96, 7, 3]), length: 24 }],
    ports: [{ servicePort: 80, targetPort: 8080 }],
    loadBalancing: { routingPreference: [1, 2], mode: 2, healthPolicy: 1 }
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
              principals: [{ exact: 'mesh.demo/ns/web/sa/front' }],
              notSourceIps: [{ address: Buffer.from([10, 0, 0, 0]), length: 8 }],
              destinationPorts: [80]
            }
          ]
        }
      ]
    }
  ]
})
const request = encodeDeltaRequest({
  node: { id: 'ztunnel~1.1.1.1~p.ns~ns.svc', metadata: { NAME: 'p', LABELS: { a: [1, true, null, { b: 'c' }] } } },
  typeUrl: 't',
  initialResourceVersions: { a: '1' }
})
const response = encodeDeltaResponse({
  typeUrl: 't',
  nonce: 'n',
  resources: [{ name: 'a', version: '1', aliases: ['/10.1.1.1'], resource: { typeUrl: 't', value: workload } }],
  removedResources: ['b']
})

/** As the client reads a response. */
function readAll(bytes: Uint8Array): void {
  const { resources, removed } = readDeltaResponse(bytes)
  for (const resource of resources()) if (resource instanceof Error) throw resource
  for (const _name of removed());
}

/** How many of the damaged messages can be decoded; any error but the package's own fails the test. */
function decodable(
  decode: (bytes: Uint8Array) => unknown,
  sample: Uint8Array,
  next: (limit: number) => number
): number {
  let count = 0
  for (let i = 0; i < 2_000; i++) {
    try {
      decode(damaged(sample, next))
      count++
    } catch (error) {
      if (!(error instanceof WorkloadsError) || error.code !== 'WORKLOADS_UNDECODABLE') throw error
    }
  }
  return count
}

describe.each([1, 2, 3])('damaged messages, seed %i', seed => {
  it.each([
    ['requests', decodeDeltaRequest, request],
    ['responses', decodeDeltaResponse, response],
    ['outlines of responses', readAll, response]
  ])('of the envelope: %s are decoded or refused', (_title, decode, sample) => {
    const count = decodable(decode, sample, seeded(seed))
    expect(count).toBeGreaterThan(0)
    expect(count).toBeLessThan(2_000)
  })

  it('of resources are accepted or named in the NACK, and all can be removed again', async () => {
    const next = seeded(seed)
    const index = createWorkloadIndex()
    const log = { debug() {}, info() {}, warn() {} }
    const resources = Array.from({ length: 2_000 }, (_, i) => ({
      name: `r${i}`,
      resource: { value: damaged(i % 2 === 0 ? workload : service, next) }
    }))
    const handle = createAddressHandler(index, log)
    const rejected = await handle({ resources, removed: [] })
    expect(rejected.length).toBeGreaterThan(0)
    expect(rejected.length).toBeLessThan(resources.length)
    const uids = [...index.workloads()].map(({ uid }) => uid)
    const keys = [...index.services()].map(({ namespace, hostname }) => `${namespace}/${hostname}`)
    expect(await handle({ resources: [], removed: [...uids, ...keys] })).toEqual([])
    expect([[...index.workloads()], [...index.stagedEndpoints()]]).toEqual([[], []])
    // A damaged namespace with a slash makes a key that names another service.
    for (const { namespace } of index.services()) expect(namespace).toContain('/')
  })

  it('of policies are accepted or named in the NACK, and all can be removed again', async () => {
    const next = seeded(seed)
    const policies = createPolicyStore()
    const handle = createAuthorizationHandler(policies)
    const names = Array.from({ length: 2_000 }, (_, i) => `r${i}`)
    const resources = names.map(name => ({ name, resource: { value: damaged(policy, next) } }))
    const rejected = await handle({ resources, removed: [] })
    expect([...policies.policies()]).toHaveLength(names.length - rejected.length)
    await handle({ resources: [], removed: names })
    expect([...policies.policies()]).toEqual([])
    expect(policies.global().size).toBe(0)
  })
})

it.each([
  { depth: 10, wanted: /^$/ },
  { depth: 1_000, wanted: /max depth exceeded$/ }
])('metadata of $depth lists in lists is decoded or refused', ({ depth, wanted }) => {
  const wrap = (key: number, inner: Buffer): Buffer => Buffer.concat([Buffer.of(key), varint(inner.length), inner])
  let value: Buffer = Buffer.alloc(0)
  for (let i = 0; i < depth; i++) value = wrap(0x32, wrap(0x0a, value))
  // Node, its metadata, one entry of the fields, with the key "k".
  const entry = Buffer.concat([Buffer.from('0a016b', 'hex'), wrap(0x12, value)])
  const bytes = wrap(0x0a, wrap(0x1a, wrap(0x0a, entry)))
  let refusal = ''
  try {
    decodeDeltaRequest(bytes)
  } catch (error) {
    expect(error).toMatchObject({ code: 'WORKLOADS_UNDECODABLE' })
    refusal = (error as Error).message
  }
  expect(refusal).toMatch(wanted)
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.of(...bytes, rest)
}

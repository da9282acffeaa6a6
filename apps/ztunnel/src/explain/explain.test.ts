import { createAuthorizer } from '@culvert/authorization'
import { createPolicyStore, emptyMatch } from '@culvert/workloads'
import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { describe, expect, it } from 'vitest'
import type { AccessLog } from '../observe/access-log.ts'
import { client, clientUpdate, contextOf } from '../routing/context.test-helper.ts'
import { explainChoice } from './explain-choice.ts'
import { explainResponse } from './explain-query.ts'
import { createRecentConnections } from './recent-connections.ts'

const vip = '10.96.0.1'
const server = 'c//Pod/shop/till-1'
const onTill = new Map([['shop/till.shop', ports({ 80: 8080 })]])

function setUp() {
  const policies = createPolicyStore()
  policies.apply({
    updates: [
      [
        'shop/not-8081',
        {
          name: 'not-8081',
          namespace: 'shop',
          scope: 'Namespace',
          action: 'Deny',
          dryRun: false,
          rules: [[[{ ...emptyMatch, destinationPorts: [8081] }]]]
        }
      ]
    ],
    removals: []
  })
  const routing = contextOf([
    clientUpdate,
    workloadUpdate({ uid: server, workloadIps: ['10.61.0.9'], services: onTill }),
    workloadUpdate({ uid: 'c//Pod/shop/old', workloadIps: ['10.61.0.10'], protocol: 'TCP' }),
    serviceUpdate({ hostname: 'till.shop', vips: [{ network: '', ip: vip }] })
  ])
  const recent = createRecentConnections({ limit: 2, now: () => 0 })
  const context = { routing, authorizer: createAuthorizer(policies), resolve: async () => undefined }
  const ask = async (query: string) => {
    const { status, body } = await explainResponse({ query: new URLSearchParams(query) }, context, recent)
    return { status, answer: JSON.parse(String(body)) }
  }
  return { ask, recent }
}

describe('a question about a connection', () => {
  it('is answered by what the routing asks, decides and expects, and by the far end’s policies', async () => {
    const { status, answer } = await setUp().ask(`source=10.61.0.7&destination=${vip}&port=80`)
    expect(status).toBe(200)
    expect(answer).toMatchObject({
      source: { uid: client.uid, identity: 'spiffe://cluster.local/ns/shop/sa/cart' },
      destination: `${vip}:80`,
      lookups: [
        { asked: `workload with address /${vip}`, found: null },
        { asked: `service with address /${vip} seen from shop`, found: 'service shop/till.shop' },
        { asked: `service with address /${vip} seen from shop`, found: 'service shop/till.shop' },
        { asked: 'endpoints of shop/till.shop', found: server }
      ],
      choices: [
        {
          service: 'shop/till.shop',
          port: 80,
          mode: 'Standard',
          preferences: [],
          chosen: server,
          why: 'the only one of the highest rank, among 1',
          endpoints: [{ workload: server, rank: 0, capacity: 1 }],
          omitted: 0
        }
      ],
      decision: {
        kind: 'hbone',
        why: `${server} speaks HBONE`,
        to: '10.61.0.9:15008',
        authority: '10.61.0.9:8080',
        service: 'shop/till.shop',
        expectedIdentities: ['spiffe://cluster.local/ns/shop/sa/default']
      },
      farEnd: {
        workload: server,
        kind: 'accept',
        why: 'no allow policies, allow',
        to: '10.61.0.9:8080',
        policies: {
          considered: [
            {
              policy: 'shop/not-8081',
              hit: false,
              because: [{ rule: 0, failingClause: [{ destinationPorts: [8081] }] }]
            }
          ]
        }
      }
    })
  })

  it('names the clause that denies', async () => {
    const { answer } = await setUp().ask('source=10.61.0.7&destination=10.61.0.9&port=8081')
    expect(answer.farEnd).toMatchObject({
      kind: 'refuse',
      why: 'policy rejection: explicitly denied by: shop/not-8081',
      policies: {
        allowed: false,
        why: 'deny policy match shop/not-8081',
        considered: [
          { policy: 'shop/not-8081', hit: true, because: [{ rule: 0, matches: [{ destinationPorts: [8081] }] }] }
        ]
      }
    })
  })

  it.each([
    [`source=${encodeURIComponent(client.uid)}&destination=till.shop&port=80`, 'hbone'],
    ['source=10.61.0.7&destination=till.shop&port=81', 'refuse'],
    ['source=10.61.0.7&destination=10.61.0.10&port=80', 'plain'],
    ['source=10.61.0.7&destination=192.0.2.1&port=80', 'plain'],
    ['source=10.61.0.7&destination=127.0.0.1&port=15001', 'refuse']
  ])('%s: %s', async (query, kind) => {
    const { answer } = await setUp().ask(query)
    expect(answer.decision.kind).toBe(kind)
    expect(answer.decision.why).not.toBe('')
  })

  it.each([
    ['', 'source is missing'],
    ['source=10.61.0.7&destination=10.61.0.9', 'port is missing'],
    ['source=10.61.0.7&destination=10.61.0.9&port=0', 'port "0" is not a number from 1 to 65535'],
    ['source=x//y&destination=10.61.0.9&port=80', 'source "x//y" is neither an address nor the uid of a workload'],
    ['source=10.9.9.9&destination=nobody&port=80', 'destination "nobody" is neither an address nor the hostname'],
    ['source=10.9.9.9&destination=till.shop&port=80', 'ask with the address of an endpoint, such as 10.61.0.9'],
    [`source=10.9.9.9&destination=${vip}&port=80`, 'no proxy balances for a source outside the mesh'],
    ['source=10.61.0.7&destination=nobody&port=80', 'destination "nobody" is neither an address nor the hostname'],
    ['sorce=10.61.0.7', 'unknown parameter "sorce"'],
    ['connection=7', 'connection "7" is not among the recent ones; there are none yet']
  ])('%s is refused: %s', async (query, message) => {
    const { status, answer } = await setUp().ask(query)
    expect(status).toBe(query.startsWith('connection') ? 404 : 400)
    expect(answer.error).toContain(message)
  })
})

describe('a source outside the mesh', () => {
  it.each([
    ['10.9.9.9', null],
    ['10.61.0.10', 'c//Pod/shop/old']
  ])('%s meets the policies of the far end without an identity', async (source, uid) => {
    const { answer } = await setUp().ask(`source=${source}&destination=10.61.0.9&port=8081`)
    expect(answer).toMatchObject({
      source: { uid, address: source, identity: null },
      destination: '10.61.0.9:8081',
      lookups: [{ asked: 'workload with address /10.61.0.9', found: `workload ${server}` }],
      decision: {
        kind: 'not-captured',
        why: `${uid ?? source} is not in the mesh: its connections leave as they are`,
        to: '10.61.0.9:8081',
        upstream: server
      },
      farEnd: { kind: 'refuse', why: 'policy rejection: explicitly denied by: shop/not-8081', peerIdentity: null }
    })
  })

  it.each(['10.61.0.10', '192.0.2.1'])('meets no proxy at %s', async destination => {
    const { answer } = await setUp().ask(`source=10.9.9.9&destination=${destination}&port=80`)
    expect(answer.decision.kind).toBe('not-captured')
    expect(answer).not.toHaveProperty('farEnd')
  })
})

it('tells how an endpoint was chosen, and what is wrong with the others', () => {
  const at = (name: string, fields: Omit<Parameters<typeof workloadUpdate>[0], 'uid'>) =>
    workloadUpdate({ uid: name, services: onTill, ...fields })
  const zone = (region: string, zone: string) => ({ locality: { region, zone, subzone: '' } })
  const { index } = contextOf([
    workloadUpdate({ ...client, ...zone('r', 'a') }),
    serviceUpdate({
      hostname: 'till.shop',
      loadBalancer: { mode: 'Failover', routingPreferences: ['Region', 'Zone'], healthPolicy: 'OnlyHealthy' }
    }),
    at('far', { ...zone('q', 'a'), workloadIps: ['10.61.0.11'] }),
    at('near', { ...zone('r', 'b'), workloadIps: ['10.61.0.12'] }),
    at('here-1', { ...zone('r', 'a'), workloadIps: ['10.61.0.13'], capacity: 3 }),
    at('here-2', { ...zone('r', 'a'), workloadIps: ['10.61.0.14'] }),
    at('other-port', {
      ...zone('r', 'a'),
      workloadIps: ['10.61.0.15'],
      services: new Map([['shop/till.shop', ports({ 81: 81 })]])
    }),
    at('nowhere', { workloadIps: [] })
  ])
  const source = index.workload(client.uid)!
  const service = index.service({ namespace: 'shop', hostname: 'till.shop' })!
  const without = { ...service, ports: ports({}) }
  const choice = { source, service: without, port: 80, resolution: 'standard' } as const
  expect(explainChoice({ index }, choice, index.workload('here-1'))).toEqual({
    service: 'shop/till.shop',
    port: 80,
    mode: 'Failover',
    preferences: ['Region', 'Zone'],
    chosen: 'here-1',
    why: 'drawn by capacity from 2 of the highest rank, among 6',
    endpoints: [
      { workload: 'here-1', rank: 2, capacity: 3 },
      { workload: 'here-2', rank: 2, capacity: 1 },
      { workload: 'near', rank: 1, capacity: 1 },
      { workload: 'far', rank: 0, capacity: 1 },
      { workload: 'other-port', rank: null, capacity: 1, why: 'does not serve the port' },
      { workload: 'nowhere', rank: null, capacity: 1, why: 'has no address' }
    ],
    omitted: 0
  })
  const strict = { ...service, loadBalancer: { ...service.loadBalancer!, mode: 'Strict' as const } }
  const judged = explainChoice({ index }, { ...choice, service: strict }, undefined).endpoints
  expect(judged.find(({ workload }) => workload === 'near')).toMatchObject({
    rank: null,
    why: 'misses a preference of a strict service'
  })
})

describe('finished connections', () => {
  const silent: AccessLog = { opened: () => undefined, complete: () => undefined, failed: () => undefined }
  const peer = { principal: 'spiffe://cluster.local/ns/shop/sa/cart' }
  const entry = {
    source: { ip: '10.61.0.7', port: 40000 },
    traffic: {
      reporter: 'source',
      source: peer,
      destination: {},
      service: undefined,
      mutualTls: true,
      sourceName: undefined,
      destinationName: undefined
    }
  } as const
  const ending = { fromClient: 3, toClient: 5, duration: 7.5, error: undefined }

  it('are kept, the last ones, and explained with what is known now', async () => {
    const { ask, recent } = setUp()
    const log = recent.listen(silent)
    log.failed({ direction: 'outbound', source: entry.source, destination: { ip: '1.2.3.4', port: 5 }, error: 'x' })
    log.complete(
      {
        ...entry,
        direction: 'outbound',
        destination: { ip: '10.61.0.9', port: 15008 },
        requested: { ip: vip, port: 80 },
        hboneAddress: '10.61.0.9:8080'
      },
      ending
    )
    log.complete(
      { ...entry, direction: 'inbound', destination: { ip: '10.61.0.9', port: 15008 }, hboneAddress: '10.61.0.9:8081' },
      { ...ending, error: 'denied' }
    )
    expect((await ask('recent')).answer.map(({ number }: { number: number }) => number)).toEqual([2, 3])
    expect((await ask('connection=2')).answer).toMatchObject({
      happened: {
        number: 2,
        source: '10.61.0.7:40000',
        requested: `${vip}:80`,
        bytesSent: 3,
        milliseconds: 7,
        error: null
      },
      now: { destination: `${vip}:80`, decision: { kind: 'hbone', to: '10.61.0.9:15008' } }
    })
    expect((await ask('connection=3')).answer).toMatchObject({
      happened: { direction: 'inbound', peerIdentity: peer.principal, error: 'denied' },
      now: { workload: server, kind: 'refuse', why: 'policy rejection: explicitly denied by: shop/not-8081' }
    })
    expect((await ask('connection=1')).answer.error).toContain('those from 2 to 3 are')
  })
})

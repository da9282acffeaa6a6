import { createAuthorizer } from '@culvert/authorization'
import { createCertificateAuthority, readCertificateChain, selfSignedRoot } from '@culvert/certificates'
import { parseBaggage } from '@culvert/hbone'
import { createCsr } from '@culvert/spiffe'
import { createLog, createMetrics, type Metrics, parseLogFilter } from '@culvert/telemetry'
import type {
  CapturedConnection,
  ConnectionDecision,
  Direct,
  HeaderField,
  InboundStream,
  PodHandler,
  Tunnel
} from '@culvert/tunnel'
import {
  type AddressUpdate,
  createPolicyStore,
  createWorkloadIndex,
  emptyMatch,
  type PolicyStore
} from '@culvert/workloads'
import { ports, serviceUpdate, workloadUpdate } from '@culvert/workloads/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { createAccessLog } from '../observe/access-log.ts'
import { createConnectionRecords } from '../observe/connection-records.ts'
import { declareTrafficMetrics } from '../observe/traffic-metrics.ts'
import type { NodeContext } from './context.ts'
import { createLiveConnections, type LiveConnections } from './live-connections.ts'
import { createPodHandler } from './pod-handler.ts'

let fetchCertificate: (identity: string) => ReturnType<NodeContext['certificates']['certificate']>

beforeAll(async () => {
  const root = await selfSignedRoot({ organization: 'test', ttlSeconds: 3_600 })
  const authority = await createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key })
  fetchCertificate = async identity => {
    const { csr, privateKey } = await createCsr(identity)
    return readCertificateChain(
      await authority.sign({ csr, sans: [identity], ttlSeconds: 60 }),
      identity,
      privateKey,
      identity
    )
  }
})

const labels = { workloadName: 'cart', workloadType: 'deployment', canonicalName: 'cart', canonicalRevision: 'v3' }
const cart = workloadUpdate({
  uid: 'c//Pod/shop/cart-0',
  name: 'cart-0',
  serviceAccount: 'cart',
  workloadIps: ['10.61.0.7'],
  network: 'n1',
  locality: { region: 'eu-1', zone: 'a', subzone: '' },
  ...labels
})
const stock = workloadUpdate({
  uid: 'c//Pod/shop/stock-0',
  name: 'stock-0',
  serviceAccount: 'stock',
  workloadIps: ['10.61.4.20'],
  network: 'n1',
  workloadName: 'stock',
  canonicalName: 'stock',
  services: new Map([['shop/stock.shop.svc', ports({ 80: 8080 })]])
})
const stockService = serviceUpdate({ hostname: 'stock.shop.svc', vips: [{ network: 'n1', ip: '10.200.5.9' }] })

interface Scene {
  readonly handler: PodHandler
  readonly lines: string[]
  readonly live: LiveConnections
  readonly policies: PolicyStore
  readonly metrics: Metrics
  readonly cut: number[]
}

function scene(
  options: {
    updates?: AddressUpdate[]
    pod?: { name: string; serviceAccount: string }
    certificate?: NodeContext['certificates']['certificate']
    responseBaggage?: boolean
    lookUp?: (name: string, family: 'A' | 'AAAA') => Promise<readonly string[]>
  } = {}
): Scene {
  const lines: string[] = []
  const log = createLog({
    style: 'ztunnel',
    json: false,
    filter: parseLogFilter('debug'),
    write: line => lines.push(line.trimEnd())
  })
  const index = createWorkloadIndex()
  index.apply({ updates: options.updates ?? [cart, stock, stockService], removals: [] })
  const policies = createPolicyStore()
  const metrics = createMetrics()
  const traffic = declareTrafficMetrics(metrics)
  const accessLog = createAccessLog(log.scope('access'))
  const live = createLiveConnections()
  const cut: number[] = []
  const node: NodeContext = {
    routing: {
      index,
      network: 'n1',
      illegalPorts: new Set([15001, 15006, 15008]),
      onDemand: false,
      localhostAppTunnel: true,
      random: () => 0
    },
    index,
    authorizer: createAuthorizer(policies),
    certificates: { certificate: options.certificate ?? (identity => fetchCertificate(identity)) },
    answers: () => ({ demand: async () => undefined, resolve: async () => undefined }),
    records: createConnectionRecords({ accessLog, metrics: traffic }),
    accessLog,
    sockets: traffic.sockets,
    revoked: traffic.revoked,
    log: log.scope('ztunnel::proxy'),
    responseBaggage: options.responseBaggage ?? true,
    readBaggage: parseBaggage
  }
  const handler = createPodHandler(node, {
    identity: { namespace: 'shop', ...(options.pod ?? { name: 'cart-0', serviceAccount: 'cart' }) },
    live,
    ...(options.lookUp === undefined ? {} : { lookUp: options.lookUp }),
    path: () => ({ cut: (id: number) => cut.push(id) }) as never
  })
  return { handler, lines, live, policies, metrics, cut }
}

const captured = (ip: string, port: number): CapturedConnection => ({
  id: 1,
  role: 'outbound',
  source: { ip: '10.61.0.7', port: 51000 },
  destination: { ip, port }
})

async function tunnelOf(decision: ConnectionDecision | Promise<ConnectionDecision>): Promise<Tunnel> {
  const decided = await decision
  if (decided.kind !== 'tunnel') throw new Error(`decided ${decided.kind}`)
  return decided
}

const header = (headers: readonly HeaderField[], name: string): string | undefined =>
  headers.find(([key]) => key === name)?.[1]

describe('outbound', () => {
  it('[hbone-7] tells the server who asks and for which service', async () => {
    const { handler } = scene()
    const { to, outer, inner } = await tunnelOf(handler.connection(captured('10.200.5.9', 80)))
    expect(to).toEqual({ ip: '10.61.4.20', port: 15008 })
    expect(inner).toBeUndefined()
    expect(outer.headers.map(([name]) => name)).toEqual(['baggage', 'forwarded', 'traceparent'])
    expect(outer.headers.slice(0, 2)).toEqual([
      [
        'baggage',
        'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=cart,service.name=cart,service.version=v3,cloud.region=eu-1,cloud.availability_zone=a'
      ],
      ['forwarded', 'for="10.61.0.7:51000";host=stock.shop.svc']
    ])
    expect(header(outer.headers, 'traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(outer).toMatchObject({
      authority: '10.61.4.20:8080',
      expectedIdentities: ['spiffe://cluster.local/ns/shop/sa/stock'],
      identity: 'spiffe://cluster.local/ns/shop/sa/cart',
      applicationIp: '10.61.0.7',
      credential: { trustDomain: 'cluster.local' }
    })
  })

  it('[hbone-7] names no host where no service was called', async () => {
    const { handler } = scene()
    const { outer } = await tunnelOf(handler.connection(captured('10.61.4.20', 8080)))
    expect(header(outer.headers, 'forwarded')).toBe('for="10.61.0.7:51000"')
  })

  describe('by SOCKS5', () => {
    const source = { ip: '127.0.0.1', port: 51000 }

    it('goes where the same connection would go that was captured', async () => {
      const { handler } = scene()
      const target = { ip: '10.200.5.9' }
      const { to, outer } = await tunnelOf(handler.socks5({ id: 1, source, target, port: 80 }))
      expect(to).toEqual({ ip: '10.61.4.20', port: 15008 })
      expect(outer).toMatchObject({ authority: '10.61.4.20:8080', applicationIp: '127.0.0.1' })
      expect(header(outer.headers, 'forwarded')).toBe('for="127.0.0.1:51000";host=stock.shop.svc')
    })

    it("takes the first address that the pod's DNS proxy has for a name", async () => {
      const asked: string[] = []
      const lookUp = async (...question: string[]): Promise<readonly string[]> => {
        asked.push(question.join(' '))
        return ['10.200.5.9', '10.200.5.10']
      }
      const { handler } = scene({ lookUp })
      const target = { name: Buffer.from('lager.straße') }
      expect((await tunnelOf(handler.socks5({ id: 1, source, target, port: 80 }))).to.ip).toBe('10.61.4.20')
      await handler.socks5({ id: 2, source: { ip: '::1', port: 1 }, target, port: 80 })
      expect(asked).toEqual(['lager.straße A', 'lager.straße AAAA'])
    })

    it.each([
      { title: 'a name without address', name: 'a.b', lookUp: async () => [], socks5Reply: 4 },
      { title: 'a name without DNS proxy', name: 'a.b', lookUp: undefined, socks5Reply: 7 },
      { title: 'a name that is no UTF-8', name: Buffer.from([0xff]), lookUp: async () => ['10.0.0.1'], socks5Reply: 7 }
    ])('answers $title with code $socks5Reply', async ({ name, lookUp, socks5Reply }) => {
      const { handler, lines } = scene(lookUp === undefined ? {} : { lookUp })
      const target = { name: Buffer.from(name) }
      expect(await handler.socks5({ id: 1, source, target, port: 80 })).toEqual({ kind: 'refuse', socks5Reply })
      expect(lines.filter(line => line.includes('SOCKS5 request refused'))).toHaveLength(1)
    })

    it('takes a name that is an address as it stands, and refuses ports of the proxy on loopback', async () => {
      const { handler, lines } = scene()
      const target = { name: Buffer.from('127.0.0.1') }
      expect(await handler.socks5({ id: 1, source, target, port: 15001 })).toEqual({ kind: 'refuse' })
      expect(lines.at(-1)).toContain('attempted recursive call to ourselves')
    })

    it.each(['::ffff:127.0.0.1', '::FFFF:7f00:1', '0:0:0:0:0:0:0:1'])('knows loopback written as %s', async text => {
      const { handler } = scene()
      const target = { name: Buffer.from(text) }
      expect(await handler.socks5({ id: 1, source, target, port: 15001 })).toEqual({ kind: 'refuse' })
    })

    it('goes to the service whose address a name or a record is, however written', async () => {
      const { handler } = scene({ lookUp: async () => ['::ffff:ac8:509'] })
      for (const name of ['::FFFF:10.200.5.9', 'stock.example']) {
        const target = { name: Buffer.from(name) }
        expect((await tunnelOf(handler.socks5({ id: 1, source, target, port: 80 }))).to.ip).toBe('10.61.4.20')
      }
    })

    it('takes no address with a zone, and logs what a name holds as text', async () => {
      const { handler, lines } = scene({ lookUp: async () => [] })
      for (const name of ['fe80::1%lo', 'a\nERROR b', '']) {
        const target = { name: Buffer.from(name) }
        expect(await handler.socks5({ id: 1, source, target, port: 80 })).toEqual({ kind: 'refuse', socks5Reply: 4 })
      }
      expect(lines.filter(line => line.includes('\n'))).toEqual([])
    })
  })

  describe('through another network', () => {
    const gateway = workloadUpdate({
      uid: 'g',
      name: 'east-west-0',
      namespace: 'istio-gateways',
      serviceAccount: 'ew',
      workloadIps: ['10.61.9.9'],
      network: 'n1'
    })
    const remote = workloadUpdate({
      uid: 'r',
      name: 'stock-far',
      serviceAccount: 'stock',
      network: 'n2',
      networkGateway: { destination: { network: 'n1', ip: '10.61.9.9' }, hboneMtlsPort: 15008 },
      services: new Map([['shop/stock.shop.svc', ports({ 80: 8080 })]])
    })
    const service = serviceUpdate({
      hostname: 'stock.shop.svc',
      vips: [{ network: 'n1', ip: '10.200.5.9' }],
      subjectAltNames: ['spiffe://cluster.local/ns/shop/sa/stock']
    })
    const updates = [cart, gateway, remote, service]

    it('[hbone-8] puts a second tunnel into the first, which alone names our network', async () => {
      const { handler, lines } = scene({ updates })
      const { to, outer, inner } = await tunnelOf(handler.connection(captured('10.200.5.9', 80)))
      expect(to).toEqual({ ip: '10.61.9.9', port: 15008 })
      expect([outer.authority, inner?.authority]).toEqual(['stock.shop.svc:80', 'stock.shop.svc:80'])
      expect(header(outer.headers, 'x-forwarded-network')).toBeUndefined()
      expect(header(inner?.headers ?? [], 'x-forwarded-network')).toBe('n1')
      expect(header(inner?.headers ?? [], 'traceparent')).toBe(header(outer.headers, 'traceparent'))
      expect(outer.expectedIdentities).toEqual(['spiffe://cluster.local/ns/istio-gateways/sa/ew'])
      expect(inner?.expectedIdentities).toEqual(['spiffe://cluster.local/ns/shop/sa/stock'])
      expect(lines).toEqual([])
    })

    it('takes the labels of the destination from the far side', async () => {
      const { handler, lines, metrics } = scene({ updates })
      await handler.connection(captured('10.200.5.9', 80))
      handler.opened({
        id: 1,
        peerIdentity: 'spiffe://cluster.local/ns/shop/sa/stock',
        baggage: ['k8s.namespace.name=shop,k8s.deployment.name=stock-v2,service.name=stock']
      })
      expect(lines[0]).toMatch(/\tdebug\taccess\tconnection opened\t/)
      handler.closed({ id: 1, fromClient: 1, toClient: 2, duration: 3 })
      expect(lines[1]).toMatch(
        /dst\.addr=10\.61\.9\.9:15008 dst\.hbone_addr=stock\.shop\.svc:80 dst\.service="stock\.shop\.svc" dst\.workload="stock-v2" dst\.namespace="shop" dst\.identity="spiffe:\/\/cluster\.local\/ns\/shop\/sa\/stock"/
      )
      expect(metrics.render('openmetrics')).toContain('destination_app="stock-v2"')
    })

    it('names the gateway, as the next hop, when baggage is off', async () => {
      const { handler, lines } = scene({ updates, responseBaggage: false })
      await handler.connection(captured('10.200.5.9', 80))
      handler.opened({ id: 1, baggage: ['k8s.deployment.name=liar'] })
      expect(lines[0]).toMatch(
        /dst.workload="east-west-0" .*dst.identity="spiffe:\/\/cluster.local\/ns\/istio-gateways\/sa\/ew"/
      )
    })

    it('names the gateway when the tunnels never stood', async () => {
      const { handler, lines } = scene({ updates })
      await handler.connection(captured('10.200.5.9', 80))
      const failure = { code: 'IO', detail: 'Connection refused (os error 111)' } as const
      handler.closed({ id: 1, fromClient: 0, toClient: 0, duration: 3, failure })
      expect(lines.map(line => line.split('\t')[3])).toEqual(['connection opened', 'connection complete'])
      expect(lines[1]).toMatch(/dst\.workload="east-west-0".*error="io error: Connection refused \(os error 111\)"$/)
    })
  })

  it('refuses without a certificate and says so', async () => {
    const { handler, lines, metrics, live } = scene({ certificate: () => Promise.reject(new Error('CA is away')) })
    expect(await handler.connection(captured('10.61.4.20', 8080))).toEqual({ kind: 'refuse' })
    expect(lines.at(-1)).toMatch(/\terror\taccess\tconnection complete\t.*error="identity error: CA is away"$/)
    expect(metrics.render('openmetrics')).toMatch(
      /istio_tcp_connections_failed_total\{.*response_flags="IDENTITY_ERROR".* 1\n/
    )
    expect(live.dump().outbound).toEqual([])
    handler.closed({ id: 1, fromClient: 0, toClient: 0, duration: 0 })
    expect(lines).toHaveLength(2)
  })

  it('refuses a loop before anything is looked up', async () => {
    const { handler, lines } = scene({ updates: [] })
    expect(await handler.connection(captured('127.0.0.1', 15001))).toEqual({ kind: 'refuse' })
    expect(lines[0]).toMatch(
      /\twarn\taccess\tconnection failed\tsrc\.addr=10\.61\.0\.7:51000 dst\.addr=127\.0\.0\.1:15001 direction="outbound" error="attempted recursive call to ourselves"$/
    )
  })
})

describe('inbound', () => {
  const pod = { name: 'stock-0', serviceAccount: 'stock' }
  const stream: InboundStream = {
    id: 2,
    source: { ip: '10.61.0.7', port: 43210 },
    local: { ip: '10.61.4.20', port: 15008 },
    peerIdentity: 'spiffe://cluster.local/ns/shop/sa/cart',
    method: 'CONNECT',
    authority: '10.61.4.20:8080',
    headers: [['forwarded', 'for="10.61.0.7:51000";host=stock.shop.svc']]
  }
  const denyCart = {
    name: 'no-cart',
    namespace: 'shop',
    scope: 'Namespace',
    action: 'Deny',
    dryRun: false,
    rules: [[[{ ...emptyMatch, principals: [{ kind: 'exact', value: 'cluster.local/ns/shop/sa/cart' }] }]]]
  } as const

  it('connects to the application as the client and describes itself', async () => {
    const { handler } = scene({ pod })
    expect(await handler.stream(stream)).toEqual({
      kind: 'direct',
      to: { ip: '10.61.4.20', port: 8080 },
      from: '10.61.0.7',
      responseHeaders: [
        ['baggage', 'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.pod.name=stock,service.name=stock']
      ]
    })
  })

  it('sends and believes no baggage when that is off', async () => {
    const headers: HeaderField[] = [['baggage', 'k8s.deployment.name=liar,k8s.namespace.name=lies']]
    const source = { ip: '10.1.1.1', port: 1 }
    const off = scene({ pod, responseBaggage: false })
    expect((await off.handler.stream({ ...stream, source, headers })) as Direct).toMatchObject({ responseHeaders: [] })
    expect(off.metrics.render('openmetrics')).not.toContain('liar')
    const on = scene({ pod })
    await on.handler.stream({ ...stream, source, headers })
    expect(on.metrics.render('openmetrics')).toContain('source_workload="liar"')
  })

  it('lets no header add a line, a label or a field of its own', async () => {
    const { handler, lines, metrics } = scene({ pod })
    const hostile = 'x"} 1 forged\\'
    await handler.stream({
      ...stream,
      source: { ip: '10.1.1.1', port: 1 },
      headers: [
        ['baggage', `service.name=${hostile},k8s.namespace.name=a\tb error:"forged"`],
        ['forwarded', `host=${hostile}\nforged`]
      ]
    })
    expect(metrics.render('openmetrics')).toContain(String.raw`source_canonical_service="x\"} 1 forged\\",`)
    const line = lines.at(-1) ?? ''
    expect(line.split('\t')).toHaveLength(5)
    expect(line).toContain(
      String.raw`src.workload="x\"} 1 forged\\" src.namespace="a\tb error:\"forged\"" src.identity=`
    )
    await handler.stream({ ...stream, id: 8, authority: 'a\nb"\tc:80', headers: [] })
    expect(lines.at(-1)).toContain(String.raw`error="no valid authority pseudo header: a\nb\"\tc:80"`)
  })

  it('does not look up a source of another network by its address', async () => {
    const { handler, metrics } = scene({ pod })
    await handler.stream({
      ...stream,
      headers: [
        ['x-forwarded-network', 'n2'],
        ['baggage', 'k8s.deployment.name=far']
      ]
    })
    expect(metrics.render('openmetrics')).toContain('source_workload="far"')
  })

  const waypoint = workloadUpdate({
    uid: 'c//Pod/shop/stock-0',
    name: 'stock-0',
    serviceAccount: 'stock',
    workloadIps: ['10.61.4.20'],
    network: 'n1',
    applicationTunnel: { protocol: 'PROXY', port: 15088 }
  })

  it('writes a PROXY header for an application tunnel', async () => {
    const { handler } = scene({ pod, updates: [waypoint, stockService] })
    const decision = (await handler.stream({ ...stream, authority: '10.200.5.9:8443' })) as Direct
    expect(decision).toMatchObject({ kind: 'direct', to: { ip: '127.0.0.1', port: 15088 } })
    expect(decision.from).toBeUndefined()
    // The worked example C of the specification.
    expect(Buffer.from(decision.preface ?? []).toString('hex')).toBe(
      '0d0a0d0a000d0a515549540a2111003' +
        `50a3d00070ac80509a8ca20fbd00026${Buffer.from('spiffe://cluster.local/ns/shop/sa/cart').toString('hex')}`
    )
  })

  it('refuses a peer whose identity is too long for a PROXY header, and says so', async () => {
    const { handler, lines, live } = scene({ pod, updates: [waypoint, stockService] })
    const peerIdentity = `spiffe://cluster.local/ns/shop/sa/${'x'.repeat(65_536)}`
    const long = { ...stream, authority: '10.200.5.9:8443', peerIdentity }
    expect(await handler.stream(long)).toEqual({ kind: 'answer', status: 503 })
    expect(lines.at(-1)).toContain('error="an identity of 65570 octets does not fit into a PROXY header"')
    expect(live.dump().inbound).toEqual([])
  })

  it('answers 401 to what a policy denies, before anything is dialled', async () => {
    const { handler, policies, lines, live } = scene({ pod })
    policies.apply({ updates: [['shop/no-cart', denyCart]], removals: [] })
    expect(await handler.stream(stream)).toEqual({ kind: 'answer', status: 401 })
    expect(lines.at(-1)).toContain(
      'error="connection closed due to policy rejection: explicitly denied by: shop/no-cart"'
    )
    expect(live.dump().inbound).toEqual([])
  })

  it('cuts a live stream that is denied later, and only that', async () => {
    const { handler, policies, live, cut } = scene({ pod })
    await handler.stream(stream)
    await handler.stream({ ...stream, id: 3, peerIdentity: 'spiffe://cluster.local/ns/shop/sa/other' })
    for (const _step of live.judgeAgain());
    expect(cut).toEqual([])
    policies.apply({ updates: [['shop/no-cart', denyCart]], removals: [] })
    for (const _step of live.judgeAgain());
    expect(cut).toEqual([2])
  })

  it('shows a live stream in the dump until it ends', async () => {
    const { handler, live } = scene({ pod })
    await handler.stream(stream)
    expect(live.dump().inbound).toEqual([
      { src: '10.61.0.7:43210', originalDst: 'stock.shop.svc', actualDst: '10.61.4.20:8080', protocol: 'HBONE' }
    ])
    handler.closed({ id: 2, fromClient: 0, toClient: 0, duration: 0 })
    expect(live.dump().inbound).toEqual([])
  })

  it.each([
    [{ method: 'GET', authority: undefined }, 400, 'expected method CONNECT, got GET'],
    [{ authority: '10.61.4.20' }, 400, 'no valid authority pseudo header: 10.61.4.20'],
    [{ authority: '10.61.0.7:80' }, 400, 'ip mismatch: 10.61.4.20 != 10.61.0.7'],
    [{ authority: 'nobody.example:80' }, 503, 'no service or workload for hostname: nobody.example'],
    [{ authority: '10.61.4.20:15006' }, 503, 'attempted recursive call to ourselves']
  ])('answers %j with %i', async (fields, status, error) => {
    const { handler, lines } = scene({ pod })
    expect(await handler.stream({ ...stream, ...fields })).toEqual({ kind: 'answer', status })
    expect(lines).toEqual([
      expect.stringContaining(
        `\twarn\taccess\tconnection failed\tsrc.addr=10.61.0.7:43210 dst.addr=10.61.4.20:15008 direction="inbound" error="${error}"`
      )
    ])
  })

  it('lets plaintext in by policies without an identity', async () => {
    const { handler, policies, lines } = scene({ pod })
    policies.apply({ updates: [['shop/no-cart', denyCart]], removals: [] })
    const connection: CapturedConnection = {
      id: 4,
      role: 'inbound-plaintext',
      source: { ip: '10.9.9.9', port: 1 },
      destination: { ip: '10.61.4.20', port: 8080 }
    }
    expect(await handler.connection(connection)).toEqual({
      kind: 'direct',
      to: connection.destination,
      from: '10.9.9.9'
    })
    const strict = {
      ...denyCart,
      name: 'strict',
      rules: [[[{ ...emptyMatch, notPrincipals: [{ kind: 'presence' }] }]]]
    } as const
    policies.apply({ updates: [['shop/strict', strict]], removals: [] })
    expect(await handler.connection({ ...connection, id: 5 })).toEqual({ kind: 'refuse' })
    expect(lines.at(-1)).toMatch(/dst\.addr=10\.61\.4\.20:8080 .*explicitly denied by: shop\/strict"$/)
  })

  it('closes a handshake for which there is no certificate, and logs why', async () => {
    const { handler, lines } = scene({ pod, certificate: () => Promise.reject(new Error('CA is away')) })
    const [peer, local] = [stream.source, stream.local]
    expect(await handler.serverCredential(peer, local)).toBeUndefined()
    expect(lines[0]).toMatch(
      /\twarn\taccess\tconnection failed\t.*direction="inbound" error="signing error: CA is away"$/
    )
  })
})

it.each([
  { role: 'outbound', reporter: 'source' },
  { role: 'socks5', reporter: 'source' },
  { role: 'inbound-plaintext', reporter: 'destination' },
  { role: 'inbound-hbone', reporter: 'destination' }
] as const)('counts open $role sockets for the $reporter', ({ role, reporter }) => {
  const { handler, metrics } = scene()
  handler.sockets({ role, opened: 2, closed: 0 })
  handler.sockets({ role, opened: 1, closed: 2 })
  expect(metrics.render('openmetrics')).toContain(`istio_tcp_sockets_open{reporter="${reporter}"} 1\n`)
})

it.each([
  { peer: 'server', reporter: 'source' },
  { peer: 'client', reporter: 'destination' }
] as const)('counts tunnels whose $peer is revoked for the $reporter', ({ peer, reporter }) => {
  const { handler, metrics } = scene()
  handler.peerRevoked(peer)
  expect(metrics.render('openmetrics')).toContain(`istio_crl_policy_rejections_total{reporter="${reporter}"} 1\n`)
})

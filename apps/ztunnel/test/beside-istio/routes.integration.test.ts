import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { HboneServerStream } from '@culvert/hbone'
import { type AddressMessage, ApplicationTunnelProtocol, type ServiceMessage } from '@culvert/workloads'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  addressBytes,
  echo,
  podWorkload,
  serverHost,
  serverServices,
  serverVip,
  serviceAt,
  snapshotPod
} from '../mesh.ts'
import { standIn } from '../stand-ins.ts'
import {
  attempt,
  besideIstio,
  combinations,
  lasting,
  linesOf,
  type Maker,
  type Pair,
  startPair,
  unavailable
} from './pair.ts'

const account = (name: string): string => `spiffe://cluster.local/ns/shop/sa/${name}`
const waypointHost = 'waypoint.shop.svc.cluster.local'
const gatewayHost = 'gateway.shop.svc.cluster.local'
const waypointVip = '10.96.15.8'

/** What a CONNECT says, but for what is random. */
const requestOf = ({ method, authority, peerIdentity, headers }: HboneServerStream): readonly string[] => [
  `${method} ${authority} by ${peerIdentity}`,
  ...headers.map(([name, value]) =>
    lasting(
      `${name}: ${name === 'traceparent' ? value.replace(/[0-9a-f]{16,32}/g, hex => `${hex.length} hex`) : value}`
    )
  )
]

function serviceOf(
  name: string,
  ports: [number, number],
  more: Partial<ServiceMessage> = {}
): [string, AddressMessage] {
  const hostname = `${name}.shop.svc.cluster.local`
  const [servicePort, targetPort] = ports
  return [
    `shop/${hostname}`,
    { service: { name, namespace: 'shop', hostname, ports: [{ servicePort, targetPort }], ...more } }
  ]
}

const byHostname = { hostname: { namespace: 'shop', hostname: waypointHost }, hboneMtlsPort: 15008 }
const byAddress = { address: { network: '', address: addressBytes(waypointVip) }, hboneMtlsPort: 15008 }

/** Whatever a stand-in in the place of a waypoint is asked, per reference. */
async function waypointRequests(near: Maker): Promise<unknown> {
  await using stack = new AsyncDisposableStack()
  const pair = stack.use(await startPair({ near, far: 'ours' }))
  const waypoint = await pair.pods.add('waypoint', { captured: false })
  const requests: (readonly string[])[] = []
  stack.use(
    await standIn(pair.controlPlane, { pod: waypoint, identity: account('waypoint') }, stream => {
      requests.push(requestOf(stream))
      const { duplex } = stream.accept([['baggage', 'k8s.namespace.name=shop']])
      duplex.pipe(duplex)
    })
  )
  const [key, { service }] = serviceAt('server', serverVip)
  const usual = [
    podWorkload(waypoint, {
      node: 'node-3',
      services: { [`shop/${waypointHost}`]: { ports: [{ servicePort: 15008, targetPort: 15008 }] } }
    }),
    serviceOf('waypoint', [15008, 15008], { addresses: [{ network: '', address: addressBytes(waypointVip) }] })
  ]
  const server = (fields: AddressMessage['workload']): [string, AddressMessage] =>
    podWorkload(pair.server, { node: 'node-2', ...serverServices, ...fields })
  const cases: readonly (readonly [string, [string, AddressMessage][], string, number])[] = [
    ['of a service, by hostname', [[key, { service: { ...service, waypoint: byHostname } }]], serverVip, 80],
    ['of a service, by address', [[key, { service: { ...service, waypoint: byAddress } }]], serverVip, 80],
    [
      'of a service, weighted',
      [[key, { service: { ...service, weightedWaypoints: [{ destination: byHostname, weight: 1 }] } }]],
      serverVip,
      80
    ],
    ['of a workload, by hostname', [server({ waypoint: byHostname })], pair.server.ip, 8080],
    ['of a workload, by address', [server({ waypoint: byAddress })], pair.server.ip, 9999]
  ]
  const found: Record<string, unknown> = {}
  for (const [title, addresses, ip, port] of cases) {
    await pair.know(...usual, ...addresses)
    requests.splice(0)
    let answer = ''
    const { near: lines } = await linesOf(pair, { near: 1 }, async () => {
      answer = await attempt(pair.client, ip, port, 'through')
    })
    found[title] = { answer, requests: [...requests], lines }
  }
  return found
}

/** What the application behind a waypoint's own proxy gets before anything else, but for the source's port. */
async function proxyHeaders(near: Maker, far: Maker): Promise<unknown> {
  await using pair = await startPair({ near, far })
  const waypoint = await pair.pods.add('waypoint')
  const { uid, info, netns } = snapshotPod(waypoint)
  await pair.far.zds.add(uid, info, waypoint.netns)
  expect(netns).toBe(waypoint.netns)
  const headers: string[] = []
  await waypoint.listen(15088, async socket => headers.push(await proxyHeader(socket)))
  const [key, { service }] = serviceAt('server', serverVip)
  const waypointWorkload = podWorkload(waypoint, {
    node: 'node-2',
    applicationTunnel: { protocol: ApplicationTunnelProtocol.PROXY, port: 15088 },
    services: { [`shop/${waypointHost}`]: { ports: [{ servicePort: 15008, targetPort: 15008 }] } }
  })
  await pair.know(waypointWorkload, serviceOf('waypoint', [15008, 15008]), [
    key,
    { service: { ...service, waypoint: byHostname } }
  ])
  const byService = await linesOf(pair, { near: 1, far: 1 }, async () => {
    await attempt(pair.client, serverVip, 80, 'payload')
  })
  await pair.know(
    waypointWorkload,
    serviceOf('waypoint', [15008, 15008]),
    podWorkload(pair.server, { node: 'node-2', ...serverServices, waypoint: byHostname })
  )
  const byWorkload = await linesOf(pair, { near: 1, far: 1 }, async () => {
    await attempt(pair.client, pair.server.ip, 8080, 'payload')
  })
  return { headers, byService, byWorkload }
}

/** Everything until its end, in hexadecimal. */
async function proxyHeader(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer)
  socket.end('read')
  const bytes = Buffer.concat(chunks)
  bytes.writeUInt16BE(0, 24)
  return bytes.toString('hex')
}

const gatewayPort = 15009

/** What a client's proxy says to another network: to the gateway, and in it to whom the gateway forwards to. */
async function throughGateway(near: Maker, far: Maker, inner: 'to a stand-in' | 'to the server'): Promise<unknown> {
  await using stack = new AsyncDisposableStack()
  const pair = stack.use(await startPair({ near, far, nearEnv: { NETWORK: 'here' }, farEnv: { NETWORK: 'there' } }))
  const { controlPlane, pods, client, server } = pair
  const gateway = await pods.add('gateway', { captured: false })
  const other = await pods.add('other', { captured: false })
  await server.listen(8080, echo)
  const requests: Record<'outer' | 'inner', (readonly string[])[]> = { outer: [], inner: [] }
  const target = inner === 'to the server' ? server : other
  stack.use(
    await standIn(controlPlane, { pod: gateway, identity: account('gateway') }, async stream => {
      requests.outer.push(requestOf(stream))
      const onward = await gateway.connect(target.ip, 15008)
      const { duplex } = stream.accept()
      duplex.on('error', () => onward.destroy())
      duplex.pipe(onward).pipe(duplex)
    })
  )
  stack.use(
    await standIn(controlPlane, { pod: other, identity: account('server') }, stream => {
      requests.inner.push(requestOf(stream))
      const { duplex } = stream.accept([
        ['baggage', 'k8s.cluster.name=elsewhere,k8s.namespace.name=shop,k8s.deployment.name=other']
      ])
      duplex.pipe(duplex)
    })
  )
  await pair.know(
    podWorkload(client, { network: 'here', node: 'node-1' }),
    podWorkload(server, {
      network: 'there',
      node: 'node-2',
      networkGateway: { hostname: { namespace: 'shop', hostname: gatewayHost }, hboneMtlsPort: gatewayPort },
      ...serverServices
    }),
    podWorkload(gateway, {
      network: 'here',
      node: 'node-3',
      services: { [`shop/${gatewayHost}`]: { ports: [{ servicePort: gatewayPort, targetPort: 15008 }] } }
    }),
    serviceOf('server', [80, 8080], {
      addresses: [{ network: 'here', address: addressBytes(serverVip) }],
      subjectAltNames: [account('server')]
    }),
    serviceOf('gateway', [gatewayPort, 15008])
  )
  let answer = ''
  const lines = await linesOf(pair, { near: 1, far: inner === 'to the server' ? 1 : 0 }, async () => {
    answer = await attempt(client, serverVip, 80, 'across')
  })
  return { answer, requests, lines }
}

describe.skipIf(unavailable)(besideIstio('routes'), () => {
  it('both say the same to a waypoint, however it is named', async () => {
    const [ours, theirs] = [await waypointRequests('ours'), await waypointRequests('Istio’s')]
    expect(ours).toEqual(theirs)
    expect(theirs).toMatchObject({ 'of a service, by hostname': { answer: '"through", then an end' } })
  })

  const [first, ...others] = combinations

  describe('the PROXY header of an application tunnel', () => {
    let istios: unknown
    beforeAll(async () => {
      istios = await proxyHeaders(...first!)
    })
    it.each(others)('is the same, octet by octet: %s to %s', async (near, far) => {
      expect(istios).toMatchObject({
        headers: [expect.stringMatching(/^0d0a0d0a000d0a515549540a2111/), expect.anything()]
      })
      expect(await proxyHeaders(near, far)).toEqual(istios)
    })
  })

  it('both say the same to the gateway of another network, and in it to the server', async () => {
    const [ours, theirs] = [
      await throughGateway('ours', 'ours', 'to a stand-in'),
      await throughGateway('Istio’s', 'ours', 'to a stand-in')
    ]
    expect(ours).toEqual(theirs)
    expect(theirs).toMatchObject({ answer: '"across", then an end', requests: { outer: [expect.anything()] } })
  })

  describe('through a gateway into another network', () => {
    let istios: unknown
    beforeAll(async () => {
      istios = await throughGateway(...first!, 'to the server')
    })
    it.each(others)('connections are carried the same: %s to %s', async (near, far) => {
      expect(istios).toMatchObject({ answer: '"across", then an end' })
      expect(await throughGateway(near, far, 'to the server')).toEqual(istios)
    })
  })
})

describe.skipIf(unavailable)(besideIstio('SOCKS5'), () => {
  const greeting = [5, 1, 0]
  const port80 = [0, 80]
  const toAddress = (ip: string): number[] => [5, 1, 0, ip.includes(':') ? 4 : 1, ...addressBytes(ip)]
  const toName = (text: string): number[] => [5, 1, 0, 3, text.length, ...Buffer.from(text)]
  /** Octets in turns: each but the first after an answer to the last. */
  const talks: Readonly<Record<string, readonly (readonly number[])[]>> = {
    'an address': [greeting, [...toAddress(serverVip), ...port80]],
    'an address behind ::ffff:': [greeting, [...toAddress(`::ffff:${serverVip}`), ...port80]],
    'a name': [greeting, [...toName(serverHost), ...port80]],
    'a name with a dot at its end': [greeting, [...toName(`${serverHost}.`), ...port80]],
    'a short name': [greeting, [...toName('server'), ...port80]],
    'a name in capitals': [greeting, [...toName(serverHost.toUpperCase()), ...port80]],
    'several methods': [
      [5, 3, 2, 0, 1],
      [...toAddress(serverVip), ...port80]
    ],
    'version 4': [[4, 1]],
    'no method': [[5, 0]],
    'methods that are not served': [[5, 2, 1, 2]],
    'another version in the request': [greeting, [4, 1]],
    BIND: [greeting, [5, 2]],
    'UDP ASSOCIATE': [greeting, [5, 3]],
    'command 0': [greeting, [5, 0]],
    'address type 2': [greeting, [5, 1, 0, 2]],
    'a name that is no UTF-8': [greeting, [5, 1, 0, 3, 2, 0xff, 0xfe, ...port80]],
    'a name without address': [greeting, [...toName('nobody.example'), ...port80]],
    'the proxy itself': [greeting, [...toAddress('127.0.0.1'), 0x3a, 0xe8]],
    'a closed port outside': [greeting, [...toAddress('10.77.0.4'), 0, 9]],
    'an end in the greeting': [[5]],
    'an end in the request': [greeting, [5, 1, 0, 1, 10]]
  }

  async function replies(near: Maker): Promise<Record<string, string>> {
    await using pair = await startPair({
      near,
      far: 'ours',
      env: { UNSTABLE_ENABLE_SOCKS5: 'true' },
      resolvConf: 'nameserver 127.0.0.1\noptions attempts:0 timeout:1\n'
    })
    await pair.server.listen(8080, echo)
    const found: Record<string, string> = {}
    for (const [title, turns] of Object.entries(talks)) found[title] = await talk(pair, turns)
    return found
  }

  /** All octets that were answered. Whether an end or a reset follows depends on what the proxy had not read. */
  async function talk({ client }: Pair, turns: readonly (readonly number[])[]): Promise<string> {
    const socket = await client.connect('127.0.0.1', 15080)
    const got: Buffer[] = []
    const over = Promise.race([once(socket, 'end'), once(socket, 'close')]).catch(() => undefined)
    for (const [i, turn] of turns.entries()) {
      if (i > 0) got.push(((await once(socket, 'data')) as [Buffer])[0])
      socket.write(Buffer.from(turn))
    }
    socket.on('data', (chunk: Buffer) => got.push(chunk))
    socket.end()
    await over
    return Buffer.concat(got).toString('hex')
  }

  it('both give the same octets back', async () => {
    const [ours, theirs] = [await replies('ours'), await replies('Istio’s')]
    expect(ours).toEqual(theirs)
    expect(theirs).toMatchObject({ 'a name': '050005000001000000000000' })
  })
})

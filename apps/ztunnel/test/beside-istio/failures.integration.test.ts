import { once } from 'node:events'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import { type AuthorizationMessage, PolicyAction, PolicyScope } from '@culvert/workloads'
import { beforeAll, describe, expect, it } from 'vitest'
import { denyPrincipal, echo, emptyVip, podWorkload, serverServices, serverVip, serviceAt } from '../mesh.ts'
import { must } from '../node.ts'
import { openTunnel, standIn } from '../stand-ins.ts'
import {
  attempt,
  besideIstio,
  combinations,
  linesOf,
  type Maker,
  type Pair,
  startPair,
  trafficSamples,
  unavailable
} from './pair.ts'

/** One way to fail: what the application meets, and how many lines each node writes of it. */
interface Kind {
  readonly title: string
  readonly near?: number
  readonly far?: number
  readonly act: (world: World) => Promise<unknown>
}

interface World extends Pair {
  /** Known as a pod of the mesh; a stand-in answers there, in ways that the port of the authority chooses. */
  readonly odd: { readonly ip: string }
  /** Known as a pod of the mesh, with nobody on 15008. */
  readonly bare: { readonly ip: string }
  /** Known as a pod of the mesh; nothing reaches it on 15008. */
  readonly hole: { readonly ip: string }
  /** Known as a pod of the mesh; a stand-in with another's certificate. */
  readonly impostor: { readonly ip: string }
}

const clientIdentity = 'spiffe://cluster.local/ns/shop/sa/client'
const waypointHost = 'gone.shop.svc.cluster.local'

const nobody: [string, AuthorizationMessage] = [
  'shop/nobody',
  { name: 'nobody', namespace: 'shop', scope: PolicyScope.NAMESPACE, action: PolicyAction.ALLOW, rules: [] }
]

async function withPolicy<T>(
  { controlPlane }: World,
  policy: [string, AuthorizationMessage],
  act: () => Promise<T>
): Promise<T> {
  await controlPlane.setPolicies(new Map([policy]))
  try {
    return await act()
  } finally {
    await controlPlane.setPolicies(new Map())
  }
}

/** Status, whether it ends the stream, other header names, and how the stream was closed. */
async function ask(world: World, headers: Record<string, string>): Promise<string> {
  const { controlPlane, outsider: from, server: to } = world
  const { session } = await openTunnel(controlPlane, { from, to, identity: clientIdentity })
  try {
    const stream = session.request({ ':method': 'CONNECT', ...headers })
    stream.on('error', () => undefined)
    const [answer, flags] = (await once(stream, 'response')) as [Record<string, string>, number]
    const ends = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    const others = Object.keys(answer).filter(name => name !== ':status')
    if (!stream.closed && ends) await once(stream.resume(), 'close')
    return `${answer[':status']} ${ends ? 'ends' : 'goes on'} [${others}] ${stream.rstCode}`
  } finally {
    session.destroy()
  }
}

async function dropping<T>(
  pod: { readonly netns: World['client']['netns'] },
  port: number,
  act: () => Promise<T>
): Promise<T> {
  const rule = ['INPUT', '-p', 'tcp', '--dport', String(port), '-j', 'DROP']
  await must(pod.netns, 'iptables', ['-I', ...rule])
  try {
    return await act()
  } finally {
    await must(pod.netns, 'iptables', ['-D', ...rule])
  }
}

const resets = ['NO_ERROR', 'INTERNAL_ERROR', 'CANCEL', 'REFUSED_STREAM'] as const

/** Gets data, and when it has that asks for the reset; how it met that. */
async function untilReset(client: World['client'], ip: string, port: number): Promise<string> {
  const socket = await client.connect(ip, port)
  socket.write('data, please')
  const [data] = (await once(socket, 'data')) as [Buffer]
  const ended = once(socket.resume(), 'end').then(
    () => 'an end',
    ({ code }: { code: string }) => code
  )
  socket.write('and now the reset')
  const met = await ended
  socket.end()
  return `${data}, then ${met}`
}

const kinds: readonly Kind[] = [
  { title: 'carried', near: 1, far: 1, act: ({ client }) => attempt(client, serverVip, 80, 'hello') },
  {
    title: 'the peer has another identity',
    near: 1,
    act: ({ client, impostor }) => attempt(client, impostor.ip, 8080)
  },
  { title: 'the destination refuses', near: 1, far: 1, act: ({ client, server }) => attempt(client, server.ip, 9) },
  { title: 'nobody has the tunnel’s port', near: 1, act: ({ client, bare }) => attempt(client, bare.ip, 8080) },
  { title: 'outside, refused', near: 1, act: ({ client, outsider }) => attempt(client, outsider.ip, 9) },
  { title: 'an address that nobody has', near: 1, act: ({ client }) => attempt(client, '10.99.1.1', 80) },
  { title: 'a service without endpoints', near: 1, act: ({ client }) => attempt(client, emptyVip, 80) },
  { title: 'a service whose waypoint is unknown', near: 1, act: ({ client }) => attempt(client, '10.96.8.8', 80) },
  { title: 'a port that the service lacks', near: 1, act: ({ client }) => attempt(client, serverVip, 81) },
  { title: 'the proxy itself', near: 2, act: ({ client }) => attempt(client, client.ip, 15001) },
  {
    title: 'denied',
    near: 1,
    far: 1,
    act: world => withPolicy(world, denyPrincipal('no-client', 'client'), () => attempt(world.client, serverVip, 80))
  },
  {
    title: 'not allowed',
    near: 1,
    far: 1,
    act: world => withPolicy(world, nobody, () => attempt(world.client, world.server.ip, 8080))
  },
  {
    title: 'plaintext, not allowed',
    far: 1,
    act: world => withPolicy(world, nobody, () => attempt(world.outsider, world.server.ip, 8080))
  },
  { title: 'plaintext, refused', far: 1, act: ({ outsider, server }) => attempt(outsider, server.ip, 9) },
  {
    title: 'denied later',
    near: 1,
    far: 1,
    act: async world => {
      const socket = await world.client.connect(serverVip, 80)
      socket.write('x')
      await once(socket, 'data')
      const ended = once(socket.resume(), 'end').then(() => 'an end', String)
      socket.once('end', () => socket.end())
      return await withPolicy(world, denyPrincipal('no-client', 'client'), () => ended)
    }
  },
  {
    title: 'the destination resets',
    near: 1,
    far: 1,
    act: ({ client, server }) => attempt(client, server.ip, 8081)
  },
  {
    title: 'the client resets',
    near: 1,
    far: 1,
    act: async ({ client }) => {
      const socket = await client.connect(serverVip, 80)
      socket.write('x')
      await once(socket, 'data')
      socket.resetAndDestroy()
    }
  },
  ...[404, 503, 200].map(status => ({
    title: `the peer answers ${status} and no more`,
    near: 1,
    act: ({ client, odd }: World) => attempt(client, odd.ip, 8000 + status)
  })),
  { title: 'the peer resets before its answer', near: 1, act: ({ client, odd }) => attempt(client, odd.ip, 8001) },
  ...resets.map((name, i) => ({
    title: `the peer resets with ${name} after its data`,
    near: 1,
    act: ({ client, odd }: World) => untilReset(client, odd.ip, 8010 + i)
  })),
  { title: 'the tunnel is lost', near: 1, act: ({ client, odd }) => untilReset(client, odd.ip, 8002) },
  {
    title: 'no CONNECT',
    far: 1,
    act: world => ask(world, { ':method': 'GET', ':path': '/', ':scheme': 'http', ':authority': 'x' })
  },
  { title: 'another’s address', far: 1, act: world => ask(world, { ':authority': '10.1.2.3:80' }) },
  { title: 'an unknown name', far: 1, act: world => ask(world, { ':authority': 'nobody.example:80' }) },
  { title: 'no port', far: 1, act: world => ask(world, { ':authority': world.server.ip }) },
  { title: 'a port that is none', far: 1, act: world => ask(world, { ':authority': `${world.server.ip}:99999` }) },
  { title: 'the proxy’s own port', far: 1, act: world => ask(world, { ':authority': `${world.server.ip}:15006` }) },
  {
    title: 'a name’s port that is not there',
    far: 1,
    act: world => ask(world, { ':authority': 'server.shop.svc.cluster.local:81' })
  },
  {
    title: 'a tunnel without a certificate',
    far: 1,
    act: async ({ outsider, server }) => {
      const tls = connectTls({
        socket: await outsider.connect(server.ip, 15008),
        ALPNProtocols: ['h2'],
        rejectUnauthorized: false
      })
      const [error] = (await once(tls, 'error')) as [{ code: string }]
      return error.code
    }
  },
  {
    title: 'a tunnel of TLS 1.2',
    far: 1,
    act: async ({ outsider, server }) => {
      const socket = await outsider.connect(server.ip, 15008)
      const tls = connectTls({ socket, maxVersion: 'TLSv1.2', rejectUnauthorized: false })
      const [error] = (await once(tls, 'error')) as [{ code: string }]
      return error.code
    }
  },
  {
    title: 'no TLS',
    far: 1,
    // OpenSSL, unlike others, sends no alert to who does not speak TLS.
    act: async ({ outsider, server }) => void (await attempt(outsider, server.ip, 15008, 'GET / HTTP/1.1\r\n\r\n'))
  },
  { title: 'an end in place of TLS', far: 1, act: ({ outsider, server }) => attempt(outsider, server.ip, 15008, '') },
  {
    title: 'no answer in time',
    near: 3,
    far: 2,
    act: ({ client, outsider, server, hole }) =>
      dropping(server, 8095, () =>
        Promise.all([
          attempt(client, hole.ip, 8080),
          attempt(client, outsider.ip, 8095),
          attempt(client, server.ip, 8095),
          attempt(outsider, server.ip, 8095)
        ])
      )
  },
  {
    title: 'our trust domain is another',
    near: 1,
    far: 1,
    act: async world => {
      await prepare(world, { trustDomain: 'elsewhere' })
      const seen = await attempt(world.client, world.server.ip, 8080, 'hello')
      await prepare(world)
      return seen
    }
  }
]

async function prepare(world: World, client: { trustDomain?: string } = {}): Promise<void> {
  const pods = [world.odd, world.bare, world.hole, world.impostor] as World['client'][]
  const [key, { service }] = serviceAt('behind', '10.96.8.8')
  const waypoint = { hostname: { namespace: 'shop', hostname: waypointHost }, hboneMtlsPort: 15008 }
  await world.know(
    ...pods.map(pod => podWorkload(pod, { node: 'node-3' })),
    serviceAt('empty', emptyVip),
    [key, { service: { ...service, waypoint } }],
    podWorkload(world.client, { node: 'node-1', ...client }),
    podWorkload(world.server, { node: 'node-2', ...serverServices })
  )
}

/** What was seen of every kind. */
type Seen = Readonly<
  Record<string, { readonly met: unknown; readonly near: readonly string[]; readonly far: readonly string[] }>
>

async function failures(
  near: Maker,
  far: Maker
): Promise<{ seen: Seen; metrics: Record<'near' | 'far', readonly string[]> }> {
  await using stack = new AsyncDisposableStack()
  const pair = stack.use(await startPair({ near, far }))
  const { controlPlane, pods, server, outsider } = pair
  const [odd, bare, hole, impostor] = [
    await pods.add('odd', { captured: false }),
    await pods.add('bare', { captured: false }),
    await pods.add('hole', { captured: false }),
    await pods.add('impostor', { captured: false })
  ]
  const world: World = { ...pair, odd, bare, hole, impostor }
  await prepare(world)
  await server.listen(8080, echo)
  await server.listen(8081, socket => socket.resetAndDestroy())
  for (const [pod, port] of [
    [hole, 15008],
    [outsider, 8095]
  ] as const) {
    await must(pod.netns, 'iptables', ['-I', 'INPUT', '-p', 'tcp', '--dport', String(port), '-j', 'DROP'])
  }
  const account = (name: string): string => `spiffe://cluster.local/ns/shop/sa/${name}`
  stack.use(await standIn(controlPlane, { pod: impostor, identity: account('another') }, stream => stream.accept()))
  stack.use(
    await standIn(controlPlane, { pod: odd, identity: account('odd') }, stream => {
      const port = Number(stream.authority?.split(':')[1])
      if (port === 8200) return void stream.accept().duplex.end()
      if (port > 8200) return stream.answer(port - 8000)
      if (port === 8001) return stream.abandon()
      const duplex = stream.accept().duplex as ServerHttp2Stream
      // Node would end the stream just before it resets it, and which of the two a peer acts on is then a matter of time.
      duplex._final = () => undefined
      duplex.once('data', () => {
        duplex.write('data')
        duplex.once('data', () => {
          if (port === 8002) duplex.session?.destroy()
          else duplex.close(constants[`NGHTTP2_${resets[port - 8010]!}`])
        })
      })
    })
  )
  const seen: Record<string, Seen[string]> = {}
  for (const kind of kinds) {
    let met: unknown
    const lines = await linesOf(pair, kind, async () => {
      met = await kind.act(world)
    })
    seen[kind.title] = { met, ...lines }
  }
  return { seen, metrics: { near: await trafficSamples(pair.near), far: await trafficSamples(pair.far) } }
}

describe.skipIf(unavailable)(besideIstio('failures'), () => {
  const [first, ...others] = combinations
  let istios: Awaited<ReturnType<typeof failures>>
  beforeAll(async () => {
    istios = await failures(...first!)
  }, 180_000)

  it.each(others)(
    'are the same to applications, in the log and in the metrics: %s to %s',
    async (near, far) => {
      const found = await failures(near, far)
      for (const { title } of kinds) expect.soft(found.seen[title], title).toEqual(istios.seen[title])
      expect.soft(found.metrics.near, 'metrics of the near node').toEqual(istios.metrics.near)
      expect.soft(found.metrics.far, 'metrics of the far node').toEqual(istios.metrics.far)
    },
    180_000
  )
})

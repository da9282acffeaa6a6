import { once } from 'node:events'
import type { Socket } from 'node:net'
import {
  type AddressMessage,
  ApplicationTunnelProtocol,
  type AuthorizationMessage,
  PolicyAction,
  PolicyScope
} from '@culvert/workloads'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  addressBytes,
  echo,
  type Mesh,
  podWorkload,
  readAll,
  roundTrip,
  serverHost,
  serverVip,
  serviceAt,
  notRoot,
  snapshotPod,
  startMesh,
  titled
} from './mesh.ts'
import type { TestPod } from './pods.ts'

const waypointHost = 'waypoint.shop.svc.cluster.local'
const clientIdentity = 'spiffe://cluster.local/ns/shop/sa/client'

/** As much of a PROXY header, version 2, as the waypoint needs. */
interface ProxyHeader {
  readonly source: string
  readonly destination: string
  readonly identity: string
}

async function readProxyHeader(socket: Socket): Promise<ProxyHeader> {
  let got = Buffer.alloc(0)
  while (got.length < 16 || got.length < 16 + got.readUInt16BE(14)) {
    await once(socket, 'readable')
    got = Buffer.concat([got, (socket.read() as Buffer | null) ?? Buffer.alloc(0)])
  }
  const size = 16 + got.readUInt16BE(14)
  socket.unshift(got.subarray(size))
  expect(got.subarray(0, 14).toString('hex')).toBe('0d0a0d0a000d0a515549540a2111')
  const address = (at: number): string => [...got.subarray(at, at + 4)].join('.')
  // The first and only TLV, of the type 0xd0.
  expect([got[28], got.readUInt16BE(29)]).toEqual([0xd0, size - 31])
  return {
    source: `${address(16)}:${got.readUInt16BE(24)}`,
    destination: `${address(20)}:${got.readUInt16BE(26)}`,
    identity: got.subarray(31, size).toString()
  }
}

describe.skipIf(notRoot)(titled('waypoints'), () => {
  let mesh: Mesh
  let waypoint: TestPod
  const seen: ProxyHeader[] = []

  beforeAll(async () => {
    mesh = await startMesh()
    waypoint = await mesh.pods.add('waypoint')
    const { uid, info, netns } = snapshotPod(waypoint)
    await mesh.node.zds.add(uid, info, waypoint.netns)
    expect(netns).toBe(waypoint.netns)
    await mesh.server.listen(8080, echo)
    // The proxy of the waypoint's pod hands it connections with a PROXY header; it goes on to the server.
    await waypoint.listen(15088, async socket => {
      seen.push(await readProxyHeader(socket))
      const onward = await waypoint.connect(mesh.server.ip, 8080)
      socket.pipe(onward).pipe(socket)
    })
  })
  afterAll(() => mesh?.[Symbol.asyncDispose]())
  afterEach(() => seen.splice(0))

  const reference = {
    hostname: { namespace: 'shop', hostname: waypointHost },
    hboneMtlsPort: 15008
  }
  const waypointWorkload = (): [string, AddressMessage] =>
    podWorkload(waypoint, {
      applicationTunnel: { protocol: ApplicationTunnelProtocol.PROXY, port: 15088 },
      services: { [`shop/${waypointHost}`]: { ports: [{ servicePort: 15008, targetPort: 15008 }] } }
    })
  const waypointService: [string, AddressMessage] = [
    `shop/${waypointHost}`,
    {
      service: {
        name: 'waypoint',
        namespace: 'shop',
        hostname: waypointHost,
        addresses: [{ network: '', address: addressBytes('10.96.15.8') }],
        ports: [{ servicePort: 15008, targetPort: 15008 }]
      }
    }
  ]
  const serverOnly = { [`shop/${serverHost}`]: { ports: [{ servicePort: 80, targetPort: 8080 }] } }
  const line = (port: number | undefined): Promise<string> =>
    mesh.node.line(new RegExp(`src.addr=${mesh.client.ip}:${port} .*direction="outbound"`))

  it.each([
    { title: 'its hostname', waypoint: reference },
    {
      title: 'the address of its service',
      waypoint: { address: { network: '', address: addressBytes('10.96.15.8') }, hboneMtlsPort: 15008 }
    }
  ])(
    'of a service, named by $title, get its connections with who asked for what, and are alone allowed to go on',
    async given => {
      const [key, message] = serviceAt('server', serverVip)
      const service = { ...message.service, waypoint: given.waypoint }
      await mesh.know(waypointWorkload(), waypointService, [key, { service }])
      await mesh.controlPlane.setPolicies(new Map([allowWaypoint]))
      try {
        const socket = await mesh.client.connect(serverVip, 80)
        const port = socket.localPort
        expect((await roundTrip(socket, 'by the waypoint')).toString()).toBe('by the waypoint')
        const outbound = await line(port)
        expect(outbound).toContain(
          `dst.addr=${waypoint.ip}:15008 dst.hbone_addr=${serverVip}:80 dst.service="${serverHost}" dst.workload="waypoint"`
        )
        expect(outbound).toContain('dst.identity="spiffe://cluster.local/ns/shop/sa/waypoint"')
        expect(seen).toEqual([
          {
            source: expect.stringMatching(`^${mesh.client.ip}:\\d+$`),
            destination: `${serverVip}:80`,
            identity: clientIdentity
          }
        ])
        // The source is that of the tunnel, which the waypoint's line names too.
        await mesh.node.line(
          new RegExp(`src.addr=${seen[0]?.source} .*dst.hbone_addr=${serverVip}:80 .*direction="inbound"`)
        )

        const around = await mesh.client.connect(mesh.server.ip, 8080)
        const directly = around.localPort
        await readAll(around).catch(() => undefined)
        expect(await line(directly)).toContain('error="http status: 401 Unauthorized"')
      } finally {
        await mesh.controlPlane.setPolicies(new Map())
      }
    }
  )

  it('[hbone-22] of a workload stand before its address but not before a service of it, and do not meet themselves', async () => {
    await mesh.know(
      waypointWorkload(),
      waypointService,
      podWorkload(mesh.server, { services: serverOnly, waypoint: reference })
    )
    const byAddress = await mesh.client.connect(mesh.server.ip, 8080)
    const port = byAddress.localPort
    expect((await roundTrip(byAddress, 'x')).toString()).toBe('x')
    expect(await line(port)).toContain(`dst.addr=${waypoint.ip}:15008 dst.hbone_addr=${mesh.server.ip}:8080`)
    expect(seen).toMatchObject([{ destination: `${mesh.server.ip}:8080`, identity: clientIdentity }])

    const byService = await mesh.client.connect(serverVip, 80)
    const other = byService.localPort
    expect((await roundTrip(byService, 'y')).toString()).toBe('y')
    expect(await line(other)).toContain(`dst.addr=${mesh.server.ip}:15008 dst.hbone_addr=${mesh.server.ip}:8080`)
    expect(seen).toHaveLength(1)
  })

  it('that cannot be found are not gone around', async () => {
    const [key, message] = serviceAt('server', serverVip)
    await mesh.know([key, { service: { ...message.service, waypoint: reference } }])
    const socket = await mesh.client.connect(serverVip, 80)
    const port = socket.localPort
    await readAll(socket).catch(() => undefined)
    expect(await line(port)).toContain(`error="unknown waypoint: waypoint ${waypointHost} not found"`)
  })

  it('of a canary get their share of connections, and the other waypoint the rest', async () => {
    const [key, message] = serviceAt('server', serverVip)
    const other = { hostname: { namespace: 'shop', hostname: 'gone.shop.svc.cluster.local' }, hboneMtlsPort: 15008 }
    const weightedWaypoints = [
      { destination: other, weight: 1 },
      { destination: reference, weight: 1 }
    ]
    await mesh.know(waypointWorkload(), waypointService, [
      key,
      { service: { ...message.service, waypoint: other, weightedWaypoints } }
    ])
    const answers = new Set<string>()
    // Fails for a right sampler once in 2^63.
    for (let count = 0; count < 64 && answers.size < 2; count++) {
      const socket = await mesh.client.connect(serverVip, 80)
      answers.add((await roundTrip(socket, 'x').catch(() => '')).toString())
    }
    expect([...answers].sort()).toEqual(['', 'x'])
  })
})

const allowWaypoint: [string, AuthorizationMessage] = [
  'shop/waypoint-only',
  {
    name: 'waypoint-only',
    namespace: 'shop',
    scope: PolicyScope.NAMESPACE,
    action: PolicyAction.ALLOW,
    rules: [
      {
        clauses: [
          {
            matches: [{ principals: [{ exact: 'cluster.local/ns/shop/sa/waypoint' }] }, { destinationPorts: [15088] }]
          }
        ]
      }
    ]
  }
]

describe.skipIf(notRoot)(titled('a pod that calls itself'), () => {
  it('reaches itself through its service and by its address, each in a tunnel', async () => {
    await using mesh = await startMesh()
    const seen: (string | undefined)[] = []
    await mesh.server.listen(8080, socket => {
      seen.push(socket.remoteAddress)
      echo(socket)
    })
    for (const [ip, port] of [
      [serverVip, 80],
      [mesh.server.ip, 8080]
    ] as const) {
      const socket = await mesh.server.connect(ip, port)
      expect((await roundTrip(socket, 'myself')).toString()).toBe('myself')
    }
    expect(seen).toEqual([mesh.server.ip, mesh.server.ip])
    const line = await mesh.node.line(/src.workload="server" .*direction="inbound"/)
    expect(line).toContain(`dst.addr=${mesh.server.ip}:15008 dst.hbone_addr=${mesh.server.ip}:8080`)
  })
})

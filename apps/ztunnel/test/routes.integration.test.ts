import dgram from 'node:dgram'
import { bindUdp } from '@culvert/netns'
import {
  type AddressMessage,
  LoadBalancingMode,
  RoutingScope,
  TunnelProtocol,
  WorkloadStatus
} from '@culvert/workloads'
import packet from 'dns-packet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  echo,
  type Mesh,
  podWorkload,
  readAll,
  roundTrip,
  serverServices,
  serverVip,
  serviceAt,
  notRoot,
  snapshotPod,
  startMesh,
  titled
} from './mesh.ts'
import type { TestPod } from './pods.ts'

const outbound = (mesh: Mesh, port: number | undefined): Promise<string> =>
  mesh.node.line(new RegExp(`src.addr=${mesh.client.ip}:${port} .*direction="outbound"`))

/** The pod that a connection went to, by its line. */
async function reached(mesh: Mesh, vip = serverVip): Promise<string | undefined> {
  const socket = await mesh.client.connect(vip, 80)
  const port = socket.localPort
  await roundTrip(socket, 'x').catch(() => undefined)
  const line = await outbound(mesh, port)
  return /dst.workload="([^"]*)"/.exec(line)?.[1] ?? /error="(.*)"/.exec(line)?.[1]
}

describe.skipIf(notRoot)(titled('endpoints of a service'), () => {
  let mesh: Mesh
  let backup: TestPod
  beforeAll(async () => {
    mesh = await startMesh({ resolvConf: 'nameserver 127.0.0.1\noptions timeout:1 attempts:0\n' })
    backup = await mesh.pods.add('backup')
    const { uid, info } = snapshotPod(backup)
    await mesh.node.zds.add(uid, info, backup.netns)
    for (const pod of [mesh.server, backup]) await pod.listen(8080, echo)
  })
  afterAll(() => mesh?.[Symbol.asyncDispose]())

  const know = (
    mode: number,
    fields: { readonly server?: AddressMessage['workload']; readonly backup?: AddressMessage['workload'] } = {}
  ): Promise<void> => {
    const [key, { service }] = serviceAt('server', serverVip)
    const loadBalancing = { mode, routingPreference: [RoutingScope.REGION, RoutingScope.ZONE] }
    const near = { region: 'east', zone: 'a' }
    return mesh.know(
      podWorkload(mesh.client, { locality: near }),
      podWorkload(mesh.server, { ...serverServices, locality: near, ...fields.server }),
      podWorkload(backup, { ...serverServices, locality: { region: 'east', zone: 'b' }, ...fields.backup }),
      [key, { service: { ...service, loadBalancing } }]
    )
  }
  const unhealthy = { status: WorkloadStatus.UNHEALTHY }

  it('are chosen near by, and farther away as soon as those are not healthy', async () => {
    await know(LoadBalancingMode.FAILOVER)
    for (let count = 0; count < 6; count++) expect(await reached(mesh)).toBe('server')
    await know(LoadBalancingMode.FAILOVER, { server: unhealthy })
    for (let count = 0; count < 3; count++) expect(await reached(mesh)).toBe('backup')
    await know(LoadBalancingMode.FAILOVER, { server: unhealthy, backup: unhealthy })
    expect(await reached(mesh)).toBe(`no healthy upstream: ${serverVip}:80`)
  })

  it('are chosen near by or not at all where the service is strict', async () => {
    await know(LoadBalancingMode.STRICT)
    for (let count = 0; count < 6; count++) expect(await reached(mesh)).toBe('server')
    await know(LoadBalancingMode.STRICT, { server: unhealthy })
    expect(await reached(mesh)).toBe(`no healthy upstream: ${serverVip}:80`)
  })

  it('are chosen by their capacity otherwise', async () => {
    await know(LoadBalancingMode.UNSPECIFIED_MODE, { server: { capacity: { value: 0 } } })
    for (let count = 0; count < 6; count++) expect(await reached(mesh)).toBe('backup')
    await know(LoadBalancingMode.UNSPECIFIED_MODE)
    const all = new Set<string | undefined>()
    // Fails for a right choice once in 2^63.
    for (let count = 0; count < 64 && all.size < 2; count++) all.add(await reached(mesh))
    expect([...all].sort()).toEqual(['backup', 'server'])
  })

  it('may have a name instead of an address, which the node looks up for each connection', async () => {
    await mesh.outsider.listen(8080, echo)
    const [key, { service }] = serviceAt('external', '10.96.4.4')
    const uid = 'Kubernetes/networking.istio.io/ServiceEntry/shop/external/db.example'
    const services = { 'shop/external.shop.svc.cluster.local': { ports: [{ servicePort: 80, targetPort: 8080 }] } }
    const workload = { uid, name: 'db', namespace: 'shop', hostname: 'db.example', services }
    await know(LoadBalancingMode.FAILOVER)
    await mesh.know([key, { service: { ...service } }], [uid, { workload }])
    // Nobody answers questions of the node.
    expect(await reached(mesh, '10.96.4.4')).toBe(`no ip addresses were resolved for workload: ${uid}`)
    const upstream = await answering(mesh, () => mesh.outsider.ip)
    try {
      const socket = await mesh.client.connect('10.96.4.4', 80)
      const port = socket.localPort
      expect((await roundTrip(socket, 'by name')).toString()).toBe('by name')
      expect(await outbound(mesh, port)).toContain(`dst.addr=${mesh.outsider.ip}:8080 dst.service="external`)
      expect((await mesh.node.http(15020, '/metrics')).body).toMatch(/istio_on_demand_dns_total\{.*\} 2\n/)
    } finally {
      upstream.close()
    }
  })
})

describe.skipIf(notRoot)(titled('addresses that are asked for on demand'), () => {
  it('are known before the connection goes, as are those that nobody knows', async () => {
    await using mesh = await startMesh({ env: { XDS_ON_DEMAND: 'true', ISTIO_META_DNS_CAPTURE: 'false' } })
    await mesh.outsider.listen(8080, echo)
    const elsewhere = { node: 'node-2', tunnelProtocol: TunnelProtocol.NONE }
    await mesh.know(
      podWorkload(mesh.outsider, {
        ...elsewhere,
        services: { 'shop/far.shop.svc.cluster.local': { ports: [{ servicePort: 80, targetPort: 8080 }] } }
      }),
      serviceAt('far', '10.96.5.5')
    )
    expect(await reached(mesh, '10.96.5.5')).toBe('outsider')
    expect(mesh.controlPlane.demanded).toContain('/10.96.5.5')

    const before = mesh.controlPlane.demanded.length
    const unknown = await mesh.client.connect('10.77.0.99', 80).catch(() => undefined)
    await readAll(unknown!).catch(() => undefined)
    const line = await mesh.node.line(/dst.addr=10.77.0.99:80 /)
    expect(line).not.toContain('dst.workload')
    expect(mesh.controlPlane.demanded.slice(before)).toEqual(['/10.77.0.99'])
  })
})

describe.skipIf(notRoot)(titled('connections of a pod that no control plane knows'), () => {
  it('are refused after five seconds, with its name', async () => {
    await using mesh = await startMesh()
    const stranger = await mesh.pods.add('stranger')
    const { uid, info } = snapshotPod(stranger)
    await mesh.node.zds.add(uid, info, stranger.netns)
    const begun = performance.now()
    await readAll(await stranger.connect(serverVip, 80)).catch(() => undefined)
    expect(performance.now() - begun).toBeGreaterThan(4_900)
    expect(await mesh.node.line(/connection failed/)).toContain(
      'error="failed to fetch information about local workload: stranger.shop (stranger)"'
    )
  })
})

describe.skipIf(notRoot)(titled('the source address of a client'), () => {
  it("is the pod's own where it must not be taken", async () => {
    await using mesh = await startMesh({ env: { ENABLE_ORIG_SRC: 'false' } })
    const seen: (string | undefined)[] = []
    await mesh.server.listen(8080, socket => {
      seen.push(socket.remoteAddress)
      echo(socket)
    })
    for (const pod of [mesh.client, mesh.outsider]) await roundTrip(await pod.connect(mesh.server.ip, 8080), 'x')
    expect(seen).toEqual([mesh.server.ip, mesh.server.ip])
  })
})

/** A DNS server for the node's own questions, at the address that its resolv.conf names. */
async function answering(mesh: Mesh, address: () => string): Promise<dgram.Socket> {
  const server = dgram.createSocket('udp4')
  const fd = bindUdp(mesh.node.netns, { ip: '127.0.0.1', port: 53 })
  await new Promise<void>(resolve => server.bind({ fd }, resolve))
  server.on('message', (bytes, peer) => {
    const { id = 0, questions = [] } = packet.decode(bytes)
    const [question] = questions
    const answers = question?.type === 'A' ? [{ type: 'A' as const, name: question.name, ttl: 1, data: address() }] : []
    server.send(packet.encode({ type: 'response', id, flags: 0x180, questions, answers }), peer.port, peer.address)
  })
  return server
}

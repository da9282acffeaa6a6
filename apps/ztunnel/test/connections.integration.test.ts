import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { PolicyAction, PolicyScope } from '@culvert/workloads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  denyPrincipal,
  doubleEcho,
  echo,
  emptyVip,
  type Mesh,
  readAll,
  roundTrip,
  serverVip,
  notRoot,
  startMesh,
  titled
} from './mesh.ts'
import { must } from './node.ts'

describe.skipIf(notRoot)(titled('connections through a node proxy'), () => {
  let mesh: Mesh
  beforeAll(async () => {
    mesh = await startMesh()
    await mesh.server.listen(8080, doubleEcho)
    await mesh.server.listen(8081, echo)
  })
  afterAll(() => mesh?.[Symbol.asyncDispose]())

  /** The access lines of one connection, known by the client's port. */
  const outboundLine = (port: number | undefined): Promise<string> =>
    mesh.node.line(new RegExp(`src.addr=10.77.0.2:${port} .*direction="outbound"`))
  const metric = async (name: string, ...labels: string[]): Promise<number> => {
    const { body } = await mesh.node.http(15020, '/metrics')
    const lines = body
      .split('\n')
      .filter(line => line.startsWith(`${name}{`) && labels.every(label => line.includes(label)))
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  it('[observability-dns-1, 6] [hbone-25] carries a connection between pods of one node through HBONE and logs both sides', async () => {
    const socket = await mesh.client.connect(serverVip, 80)
    const port = socket.localPort
    expect((await roundTrip(socket, 'hello there')).toString()).toBe('hello therehello there')
    const outbound = await outboundLine(port)
    expect(outbound.split('\t').slice(1, 4)).toEqual(['info', 'access', 'connection complete'])
    expect(outbound.split('\t')[4]?.replace(/duration="\d+ms"/, 'duration="Nms"')).toBe(
      `src.addr=10.77.0.2:${port} src.workload="client" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client" ` +
        'src.cluster="Kubernetes" dst.addr=10.77.0.3:15008 dst.hbone_addr=10.77.0.3:8080 ' +
        'dst.service="server.shop.svc.cluster.local" dst.workload="server" dst.namespace="shop" ' +
        'dst.identity="spiffe://cluster.local/ns/shop/sa/server" dst.cluster="Kubernetes" direction="outbound" ' +
        'bytes_sent=11 bytes_recv=22 duration="Nms"'
    )
    const inbound = await mesh.node.line(/dst.hbone_addr=10.77.0.3:8080 .*direction="inbound"/)
    expect(inbound).toMatch(
      /src\.addr=10\.77\.0\.2:\d+ src\.workload="client" .*dst\.addr=10\.77\.0\.3:15008 .*bytes_sent=22 bytes_recv=11 duration="\d+ms"$/
    )
    for (const reporter of ['reporter="source"', 'reporter="destination"']) {
      expect(await metric('istio_tcp_received_bytes_total', reporter, 'destination_workload="server"')).toBe(11)
      expect(await metric('istio_tcp_sent_bytes_total', reporter, 'destination_workload="server"')).toBe(22)
    }
  })

  it('[hbone-17] goes on in one direction after the other has ended', async () => {
    await mesh.server.listen(8090, socket => {
      socket.on('end', () => socket.end(Buffer.alloc(1 << 20, 7)))
      socket.resume()
    })
    const socket = await mesh.client.connect(mesh.server.ip, 8090)
    const port = socket.localPort
    expect((await roundTrip(socket, 'only this')).equals(Buffer.alloc(1 << 20, 7))).toBe(true)
    expect(await outboundLine(port)).not.toContain('error=')
  })

  it('keeps 8 MiB of random bytes as they are', async () => {
    const sent = randomBytes(8 << 20)
    const got = await roundTrip(await mesh.client.connect(mesh.server.ip, 8081), sent)
    expect(got.equals(sent)).toBe(true)
  })

  it('[hbone-19] passes a connection to an unknown address on as it is', async () => {
    await mesh.outsider.listen(9000, echo)
    const socket = await mesh.client.connect(mesh.outsider.ip, 9000)
    const port = socket.localPort
    expect((await roundTrip(socket, 'plain')).toString()).toBe('plain')
    const line = await outboundLine(port)
    expect(line).toContain(`dst.addr=${mesh.outsider.ip}:9000 direction="outbound"`)
    expect(line).not.toMatch(/identity|hbone_addr/)
  })

  it('[observability-dns-5] takes a plaintext client and says nothing of identities', async () => {
    const socket = await mesh.outsider.connect(mesh.server.ip, 8080)
    const remote = `${mesh.outsider.ip}:${socket.localPort}`
    expect((await roundTrip(socket, 'plain')).toString()).toBe('plainplain')
    const line = await mesh.node.line(new RegExp(`src.addr=${remote} .*direction="inbound"`))
    expect(line).toMatch(
      /src\.addr=\S+ dst\.addr=10\.77\.0\.3:8080 dst\.service="server\.shop.* bytes_sent=10 bytes_recv=5/
    )
    expect(line).not.toMatch(/identity|hbone_addr|src\.workload/)
    const labels = ['source_principal="unknown"', 'destination_principal="spiffe://cluster.local/ns/shop/sa/server"']
    expect(await metric('istio_tcp_connections_closed_total', 'reporter="destination"', ...labels)).toBe(1)
  })

  it('leaves a plaintext client all its own ports, of which one is taken for each application that it reaches', async () => {
    const among = (range: string): Promise<unknown> =>
      Promise.all(
        [mesh.server, mesh.outsider].map(pod =>
          must(pod.netns, 'sysctl', ['-qw', `net.ipv4.ip_local_port_range=${range}`])
        )
      )
    await among('40000 40019')
    try {
      const held = []
      for (let count = 0; count < 10; count++) {
        const socket = await mesh.outsider.connect(mesh.server.ip, 8081)
        socket.write('x')
        expect(String((await once(socket, 'data'))[0])).toBe('x')
        held.push(socket)
      }
      for (const socket of held) expect((await roundTrip(socket, 'the end')).toString()).toBe('the end')
    } finally {
      await among('32768 60999')
    }
  })

  it('shows the application the address of its real client', async () => {
    const seen: (string | undefined)[] = []
    await mesh.server.listen(8091, socket => {
      seen.push(socket.remoteAddress)
      socket.end()
    })
    await roundTrip(await mesh.client.connect(mesh.server.ip, 8091), '')
    await roundTrip(await mesh.outsider.connect(mesh.server.ip, 8091), '')
    expect(seen).toEqual([mesh.client.ip, mesh.outsider.ip])
  })

  it('[hbone-20] refuses a connection to a service without endpoints', async () => {
    const socket = await mesh.client.connect(emptyVip, 80)
    const port = socket.localPort
    await readAll(socket).catch(() => undefined)
    const line = await mesh.node.line(new RegExp(`src.addr=10.77.0.2:${port} .*direction="outbound"`))
    expect(line.split('\t').slice(1)).toEqual([
      'warn',
      'access',
      'connection failed',
      `src.addr=10.77.0.2:${port} dst.addr=${emptyVip}:80 direction="outbound" error="no healthy upstream: ${emptyVip}:80"`
    ])
  })

  it('[hbone-12] answers 503 when nobody listens', async () => {
    const socket = await mesh.client.connect(mesh.server.ip, 7)
    const port = socket.localPort
    await readAll(socket).catch(() => undefined)
    expect(await outboundLine(port)).toMatch(
      /^\S+\terror\taccess\tconnection complete\t.*error="http status: 503 Service Unavailable"$/
    )
    expect(await mesh.node.line(/dst.hbone_addr=10.77.0.3:7 .*direction="inbound"/)).toMatch(
      /bytes_sent=0 bytes_recv=0 duration="\d+ms" error="connection failed: Connection refused \(os error 111\)"$/
    )
  })

  it('[observability-dns-4] [hbone-11] refuses with 401 what a policy denies', async () => {
    await mesh.controlPlane.setPolicies(new Map([denyPrincipal('no-client', 'client')]))
    const socket = await mesh.client.connect(mesh.server.ip, 8081)
    const port = socket.localPort
    await readAll(socket).catch(() => undefined)
    expect(await outboundLine(port)).toMatch(/\terror\t.*error="http status: 401 Unauthorized"$/)
    expect(await mesh.node.line(/explicitly denied/)).toMatch(
      /^\S+\terror\taccess\tconnection complete\t.*direction="inbound" bytes_sent=0 bytes_recv=0 duration="\d+ms" error="connection closed due to policy rejection: explicitly denied by: shop\/no-client"$/
    )
    expect(await metric('istio_tcp_connections_closed_total', 'response_flags="DENY"', 'reporter="destination"')).toBe(
      1
    )
    expect(await metric('istio_tcp_connections_failed_total', 'response_flags="DENY"', 'reporter="destination"')).toBe(
      1
    )
    // Plaintext has no identity for the policy to match.
    expect((await roundTrip(await mesh.outsider.connect(mesh.server.ip, 8081), 'x')).toString()).toBe('x')
    await mesh.controlPlane.setPolicies(new Map())
  })

  it('[authorization-6, 7, 8] refuses whom no ALLOW names before it looks for the application, and keeps the tunnel', async () => {
    await roundTrip(await mesh.client.connect(mesh.server.ip, 8081), 'open')
    const sockets = await metric('istio_tcp_sockets_open', 'reporter="destination"')
    const denied = (name: string): Promise<number> =>
      metric(name, 'response_flags="DENY"', 'reporter="destination"', 'destination_workload="server"')
    const [closed, failed] = ['istio_tcp_connections_closed_total', 'istio_tcp_connections_failed_total'] as const
    const before = [await denied(closed), await denied(failed)]
    const [key, policy] = denyPrincipal('only-other', 'other')
    await mesh.controlPlane.setPolicies(new Map([[key, { ...policy, action: PolicyAction.ALLOW }]]))
    const nobodyListens = 8082
    const socket = await mesh.client.connect(mesh.server.ip, nobodyListens)
    const port = socket.localPort
    await readAll(socket).catch(() => undefined)
    expect(await outboundLine(port)).toMatch(/error="http status: 401 Unauthorized"$/)
    expect(await mesh.node.line(/dst.hbone_addr=10.77.0.3:8082 .*direction="inbound"/)).toMatch(
      /^\S+\terror\taccess\tconnection complete\t.*error="connection closed due to policy rejection: allow policies exist, but none allowed"$/
    )
    expect([await denied(closed), await denied(failed)]).toEqual(before.map(count => count + 1))
    await mesh.controlPlane.setPolicies(new Map())
    expect((await roundTrip(await mesh.client.connect(mesh.server.ip, 8081), 'after')).toString()).toBe('after')
    expect(await metric('istio_tcp_sockets_open', 'reporter="destination"')).toBe(sockets)
  })

  it('[hbone-29] [authorization-17] ends a live connection that a new policy denies, and keeps the tunnel', async () => {
    const upstreamClosed = Promise.withResolvers<void>()
    await mesh.server.listen(8083, upstream => {
      upstream.on('error', () => {}).on('close', () => upstreamClosed.resolve())
      echo(upstream)
    })
    const socket = await mesh.client.connect(mesh.server.ip, 8083)
    const port = socket.localPort
    socket.write('before')
    await once(socket, 'data')
    const sockets = await metric('istio_tcp_sockets_open', 'reporter="destination"')
    const cut = (): Promise<number> =>
      metric('istio_tcp_connections_closed_total', 'response_flags="DENY"', 'reporter="destination"')
    const before = await cut()
    const closed = readAll(socket).catch(() => undefined)
    const [key, policy] = denyPrincipal('late', 'client')
    await mesh.controlPlane.setPolicies(new Map([[key, { ...policy, scope: PolicyScope.GLOBAL }]]))
    await Promise.all([closed, upstreamClosed.promise])
    socket.destroy()
    expect(await mesh.node.line(/error="connection closed due to policy change"/)).toMatch(
      /direction="inbound" bytes_sent=6 bytes_recv=6/
    )
    expect(await mesh.node.line(/no longer allowed after a policy update/)).toMatch(
      /connection 10\.77\.0\.2:\d+\(spiffe:\/\/cluster\.local\/ns\/shop\/sa\/client\)->10\.77\.0\.3:8083 \(Kubernetes\/\/Pod\/shop\/server\) closed/
    )
    await outboundLine(port)
    expect(await cut()).toBe(before + 1)
    await mesh.controlPlane.setPolicies(new Map())
    expect((await roundTrip(await mesh.client.connect(mesh.server.ip, 8081), 'after')).toString()).toBe('after')
    expect(await metric('istio_tcp_sockets_open', 'reporter="destination"')).toBe(sockets)
  })
})

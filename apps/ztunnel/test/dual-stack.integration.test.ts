import dgram from 'node:dgram'
import { once } from 'node:events'
import { bindUdp, connectTcp } from '@culvert/netns'
import { IPFamilies } from '@culvert/workloads'
import packet, { type DecodedPacket, type RecordType } from 'dns-packet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  addressBytes,
  echo,
  type Mesh,
  podWorkload,
  readAll,
  roundTrip,
  serverHost,
  serverServices,
  serverVip,
  serviceAt,
  notRoot,
  startMesh,
  titled
} from './mesh.ts'

const vip6 = 'fd96::7:7'

describe.skipIf(notRoot)(titled('pods with addresses of both families'), () => {
  let mesh: Mesh
  const seen: (string | undefined)[] = []
  beforeAll(async () => {
    mesh = await startMesh({ ipv6: true, env: { UNSTABLE_ENABLE_SOCKS5: 'true' } })
    await know()
    await mesh.server.listen(8080, socket => {
      seen.push(socket.remoteAddress)
      echo(socket)
    })
  })
  afterAll(() => mesh?.[Symbol.asyncDispose]())

  const know = (fields: { ipFamilies?: number } = {}): Promise<void> => {
    const [key, { service }] = serviceAt('server', serverVip)
    const addresses = [serverVip, vip6].map(ip => ({ network: '', address: addressBytes(ip) }))
    return mesh.know([key, { service: { ...service, addresses, ...fields } }])
  }
  const outbound = (port: number | undefined): Promise<string> =>
    mesh.node.line(new RegExp(`src.addr=\\S+:${port} .*direction="outbound"`))

  it('are reached over IPv6 in tunnels over IPv6, with the address of the client at the application', async () => {
    const socket = await mesh.client.connect(mesh.server.ip6, 8080)
    const port = socket.localPort
    expect((await roundTrip(socket, 'six')).toString()).toBe('six')
    const line = await outbound(port)
    expect(line).toContain(`src.addr=[${mesh.client.ip6}]:${port} src.workload="client"`)
    expect(line).toContain(`dst.addr=[${mesh.server.ip6}]:15008 dst.hbone_addr=[${mesh.server.ip6}]:8080`)
    expect(seen.at(-1)).toBe(mesh.client.ip6)
    expect(await mesh.node.line(/direction="inbound"/)).toContain(
      `src.workload="client" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client"`
    )
  })

  it.each([
    { vip: vip6, title: 'IPv6', at: () => `[${mesh.server.ip6}]` },
    { vip: serverVip, title: 'IPv4', at: () => mesh.server.ip }
  ])('are chosen by a service over $title by their address of that family', async ({ vip, at }) => {
    const socket = await mesh.client.connect(vip, 80)
    const port = socket.localPort
    expect((await roundTrip(socket, 'x')).toString()).toBe('x')
    expect(await outbound(port)).toContain(`dst.addr=${at()}:15008 dst.hbone_addr=${at()}:8080`)
  })

  it('[hbone-24] are reached over IPv6 where their service has no other family, whatever was asked for', async () => {
    await know({ ipFamilies: IPFamilies.IPV6_ONLY })
    try {
      const socket = await mesh.client.connect(serverVip, 80)
      const port = socket.localPort
      expect((await roundTrip(socket, 'x')).toString()).toBe('x')
      expect(await outbound(port)).toContain(`dst.addr=[${mesh.server.ip6}]:15008`)
      // As the tunnel was made: the address of the pod in the tunnel's family.
      expect(seen.at(-1)).toBe(mesh.client.ip6)
    } finally {
      await know()
    }
  })

  it('take plaintext over IPv6 from outside, and pass on what goes outside', async () => {
    const incoming = await mesh.outsider.connect(mesh.server.ip6, 8080)
    const from = incoming.localPort
    expect((await roundTrip(incoming, 'in')).toString()).toBe('in')
    expect(seen.at(-1)).toBe(mesh.outsider.ip6)
    const line = await mesh.node.line(new RegExp(`src.addr=\\[${mesh.outsider.ip6}\\]:${from} .*direction="inbound"`))
    expect(line).toContain(`dst.addr=[${mesh.server.ip6}]:8080`)

    await mesh.outsider.listen(9000, echo)
    const outgoing = await mesh.client.connect(mesh.outsider.ip6, 9000)
    const port = outgoing.localPort
    expect((await roundTrip(outgoing, 'out')).toString()).toBe('out')
    expect(await outbound(port)).toContain(`dst.addr=[${mesh.outsider.ip6}]:9000 direction="outbound"`)
  })

  it('reach themselves', async () => {
    expect((await roundTrip(await mesh.server.connect(vip6, 80), 'myself')).toString()).toBe('myself')
    expect(seen.at(-1)).toBe(mesh.server.ip6)
  })

  it('are refused ports of the proxy on loopback of either family', async () => {
    for (const ip of ['::1', '127.0.0.1']) {
      const socket = await connectTcp(mesh.client.netns, { ip, port: 15001 })
      await readAll(socket).catch(() => undefined)
    }
    await mesh.node.line(/dst.addr=\[::1\]:15001 .*attempted recursive call to ourselves/)
    await mesh.node.line(/dst.addr=127.0.0.1:15001 .*attempted recursive call to ourselves/)
  })

  it('ask for IPv6 addresses by SOCKS5', async () => {
    const socket = await mesh.client.connect('127.0.0.1', 15080)
    socket.write(Buffer.from([5, 1, 0, 5, 1, 0, 4, ...addressBytes(vip6), 0, 80]))
    const got: Buffer[] = []
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      got.push(chunk as Buffer)
      if (Buffer.concat(got).length === 12) break
    }
    expect([...Buffer.concat(got)]).toEqual([5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    expect((await roundTrip(socket, 'six')).toString()).toBe('six')
  })

  it('are asked and answered about names over both', async () => {
    const all: [string, RecordType, string][] = [
      ['fd96::a', 'AAAA', vip6],
      ['fd96::a', 'A', serverVip],
      ['10.96.0.10', 'AAAA', vip6]
    ]
    for (const [resolver, type, address] of all) {
      const reply = await ask(mesh, resolver, serverHost, type)
      expect(reply.answers).toEqual([expect.objectContaining({ type, data: address })])
    }
  })
})

describe.skipIf(notRoot)(titled('without IPv6'), () => {
  it('listens for IPv4 alone, and has no IPv6 addresses for names', async () => {
    await using mesh = await startMesh({ env: { IPV6_ENABLED: 'false' } })
    await mesh.server.listen(8080, echo)
    expect((await roundTrip(await mesh.client.connect(serverVip, 80), 'four')).toString()).toBe('four')
    for (const port of [15001, 15006, 15008, 15053]) {
      await expect(connectTcp(mesh.client.netns, { ip: '::1', port })).rejects.toThrow(/ECONNREFUSED/)
      ;(await connectTcp(mesh.client.netns, { ip: '127.0.0.1', port })).destroy()
    }
    const [key, { service }] = serviceAt('server', serverVip)
    const addresses = [serverVip, vip6].map(ip => ({ network: '', address: addressBytes(ip) }))
    await mesh.know([key, { service: { ...service, addresses } }], podWorkload(mesh.server, serverServices))
    expect((await ask(mesh, '10.96.0.10', serverHost, 'AAAA')).answers).toEqual([])
    expect((await ask(mesh, '10.96.0.10', serverHost, 'A')).answers).toHaveLength(1)
  })
})

/** As the client's application asks its resolver: the in-pod rules bring it to the proxy. */
async function ask(mesh: Mesh, resolver: string, name: string, type: RecordType): Promise<DecodedPacket> {
  const v6 = resolver.includes(':')
  const socket = dgram.createSocket(v6 ? 'udp6' : 'udp4')
  const fd = bindUdp(mesh.client.netns, { ip: v6 ? '::' : '0.0.0.0', port: 0 })
  await new Promise<void>(resolve => socket.bind({ fd }, resolve))
  const query = packet.encode({ type: 'query', id: 7, flags: packet.RECURSION_DESIRED, questions: [{ name, type }] })
  socket.send(query, 53, resolver)
  const [bytes] = (await once(socket, 'message')) as [Buffer]
  socket.close()
  return packet.decode(bytes)
}

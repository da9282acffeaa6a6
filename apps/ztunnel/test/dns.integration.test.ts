import dgram from 'node:dgram'
import { once } from 'node:events'
import { bindUdp } from '@culvert/netns'
import packet, { type DecodedPacket, type RecordType } from 'dns-packet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressBytes, type Mesh, serverVip, notRoot, startMesh, titled } from './mesh.ts'
import type { TestPod } from './pods.ts'

type Reply = DecodedPacket & { readonly rcode: string }

/** As the pod's application asks its resolver: the in-pod rules bring it to the proxy. */
async function ask(pod: TestPod, name: string, type: RecordType = 'A'): Promise<Reply> {
  const socket = dgram.createSocket('udp4')
  const fd = bindUdp(pod.netns, { ip: '0.0.0.0', port: 0 })
  await new Promise<void>(resolve => socket.bind({ fd }, resolve))
  const query = packet.encode({ type: 'query', id: 7, flags: packet.RECURSION_DESIRED, questions: [{ name, type }] })
  socket.send(query, 53, '10.96.0.10')
  const [bytes] = (await once(socket, 'message')) as [Buffer]
  socket.close()
  return packet.decode(bytes) as Reply
}

async function askTcp(pod: TestPod, name: string): Promise<Reply> {
  const socket = await pod.connect('10.96.0.10', 53)
  socket.write(
    packet.streamEncode({ type: 'query', id: 8, flags: packet.RECURSION_DESIRED, questions: [{ name, type: 'A' }] })
  )
  let got = Buffer.alloc(0)
  for await (const chunk of socket) {
    got = Buffer.concat([got, chunk as Buffer])
    if (got.length > 2 && got.length >= 2 + got.readUInt16BE(0)) break
  }
  return packet.decode(got.subarray(2)) as Reply
}

describe.skipIf(notRoot)(titled('the DNS proxy of a pod'), () => {
  let mesh: Mesh
  const asked: { name: string; from: string }[] = []

  beforeAll(async () => {
    // The outsider is the cluster's DNS server.
    mesh = await startMesh({ env: { RUST_LOG: 'dns=debug,info' }, resolvConf: 'nameserver 10.77.0.4\n' })
    const upstream = dgram.createSocket('udp4')
    upstream.bind({ fd: bindUdp(mesh.outsider.netns, { ip: mesh.outsider.ip, port: 53 }) })
    upstream.on('message', (bytes, peer) => {
      const { id, questions } = packet.decode(bytes)
      const name = questions?.[0]?.name ?? ''
      asked.push({ name, from: peer.address })
      const answers = [{ type: 'A' as const, name, ttl: 60, data: '192.0.2.80' }]
      upstream.send(
        packet.encode({ type: 'response', id: id ?? 0, flags: 0x180, questions: questions ?? [], answers }),
        peer.port,
        peer.address
      )
    })
    upstreamClose = () => upstream.close()
  })
  let upstreamClose: (() => void) | undefined
  afterAll(async () => {
    upstreamClose?.()
    await mesh?.[Symbol.asyncDispose]()
  })

  const metric = async (name: string): Promise<number> => {
    const { body } = await mesh.node.http(15020, '/metrics')
    const lines = body.split('\n').filter(line => line.startsWith(`${name}{`))
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  it('[observability-dns-20, 27] answers a service by its short name, without asking anybody', async () => {
    const reply = await ask(mesh.client, 'server.shop')
    expect(reply).toMatchObject({ rcode: 'NOERROR', flag_aa: true })
    expect(reply.answers).toMatchObject([{ name: 'server.shop', type: 'A', ttl: 30, data: serverVip }])
    expect((await askTcp(mesh.client, 'server')).answers).toMatchObject([{ data: serverVip }])
    expect(asked).toEqual([])
    expect(await metric('istio_dns_requests_total')).toBe(2)
    expect(await metric('istio_dns_upstream_requests_total')).toBe(0)
    expect((await mesh.node.line(/\tdns\t/)).split('\t').slice(1)).toEqual([
      'debug',
      'dns',
      'src.workload="client" src.namespace="shop" query="A" domain="server.shop." result="success" endpoints=0'
    ])
  })

  it('[observability-dns-21, 27] forwards another name once, from the pod', async () => {
    const reply = await ask(mesh.client, 'www.example.org')
    expect(reply).toMatchObject({ rcode: 'NOERROR', flag_aa: false })
    expect(reply.answers).toMatchObject([{ name: 'www.example.org', data: '192.0.2.80' }])
    expect(asked).toEqual([{ name: 'www.example.org', from: mesh.client.ip }])
    expect(await metric('istio_dns_requests_total')).toBe(3)
    expect(await metric('istio_dns_upstream_requests_total')).toBe(1)
    expect(await metric('istio_dns_upstream_request_duration_seconds_count')).toBe(1)
    expect(await metric('istio_dns_upstream_failures_total')).toBe(0)
  })

  it('[observability-dns-22] answers a headless service with its endpoints', async () => {
    const headless = 'shop/headless.shop.svc.cluster.local'
    const endpoints = [11, 12].map((last): [string, object] => {
      const uid = `Kubernetes//Pod/shop/h-${last}`
      return [
        uid,
        {
          workload: {
            uid,
            name: `h-${last}`,
            namespace: 'shop',
            addresses: [addressBytes(`10.77.1.${last}`)],
            services: { [headless]: { ports: [] } }
          }
        }
      ]
    })
    const service = { name: 'headless', namespace: 'shop', hostname: 'headless.shop.svc.cluster.local' }
    await mesh.know([headless, { service }], ...(endpoints as never[]))
    const orders = new Set<string>()
    // The chance that all 40 agree is 2 in 2^40.
    for (let i = 0; i < 40; i++) {
      const { answers = [] } = await ask(mesh.client, 'headless')
      orders.add(answers.map(answer => ('data' in answer ? answer.data : '')).join())
    }
    expect([...orders].sort()).toEqual(['10.77.1.11,10.77.1.12', '10.77.1.12,10.77.1.11'])
  })

  it('[observability-dns-26] answers SERVFAIL after five seconds to a pod nobody knows', async () => {
    const stranger = await mesh.pods.add('stranger')
    await mesh.node.zds.add(
      'uid-stranger',
      { name: 'stranger', namespace: 'shop', serviceAccount: 'x' },
      stranger.netns
    )
    const start = performance.now()
    expect((await ask(stranger, 'server.shop')).rcode).toBe('SERVFAIL')
    expect(performance.now() - start).toBeGreaterThan(4_900)
    expect(performance.now() - start).toBeLessThan(8_000)
    const { body } = await mesh.node.http(15020, '/metrics')
    expect(body).toMatch(
      /^istio_dns_requests_total\{request_query_type="a",request_protocol="udp",source_canonical_service="unknown",.* 1$/m
    )
  })
})

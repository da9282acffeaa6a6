import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate } from 'node:timers/promises'
import packet, { type DecodedPacket, type Packet } from 'dns-packet'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  createDnsProxy,
  createDnsServer,
  type DnsServer,
  createExchange,
  createForwarder,
  type DnsClient,
  type DnsOutcome,
  type DnsProxy,
  type DnsService,
  parseHosts
} from './index.ts'
import { createFrameReader, frame } from './tcp-frames.ts'

const client: DnsClient = { namespace: 'ns1', network: 'n1' }

/** What the decoder adds and its types do not say. */
type Decoded = DecodedPacket & { readonly rcode: string }

const decode = (bytes: Buffer): Decoded => packet.decode(bytes) as Decoded

interface Upstream {
  readonly port: number
  readonly asked: Packet[]
  readonly overTcp: Packet[]
}

/** A server on UDP and TCP at one port; `reply` gets the question and says what to send. */
async function startUpstream(
  reply: (query: Packet, protocol: 'udp' | 'tcp') => (Packet | Buffer)[]
): Promise<Upstream> {
  const asked: Packet[] = []
  const overTcp: Packet[] = []
  const bytes = (message: Packet | Buffer): Buffer => (Buffer.isBuffer(message) ? message : packet.encode(message))
  const tcp = net.createServer(socket => {
    const frames = createFrameReader()
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      for (const each of frames.push(chunk)) {
        const query = decode(each)
        overTcp.push(query)
        for (const message of reply(query, 'tcp')) socket.write(frame(bytes(message)))
      }
    })
  })
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address() as net.AddressInfo
  const udp = dgram.createSocket('udp4')
  udp.on('message', (each, peer) => {
    const query = decode(each)
    asked.push(query)
    for (const message of reply(query, 'udp')) udp.send(bytes(message), peer.port, peer.address)
  })
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  onTestFinished(() => {
    udp.close()
    tcp.close()
  })
  return { port, asked, overTcp }
}

function response(query: Packet, rest: Packet): Packet {
  return { type: 'response', id: query.id ?? 0, questions: query.questions ?? [], flags: 0x180, ...rest }
}

async function startServer(options: {
  services?: DnsService[]
  upstreams?: number[]
  client?: DnsClient | undefined
  timeout?: number
  attempts?: number
  randomCase?: boolean
}): Promise<{ port: number; outcomes: DnsOutcome<DnsClient>[] }> {
  const outcomes: DnsOutcome<DnsClient>[] = []
  const servers = (options.upstreams ?? []).map(port => ({ ip: '127.0.0.1', port }))
  const forwarder = createForwarder({
    config: { servers, search: [], timeout: options.timeout ?? 5_000, attempts: options.attempts ?? 0, edns0: false },
    hosts: parseHosts('10.9.9.9 printer.office'),
    exchange: createExchange(undefined, { mark: 0, randomCase: options.randomCase ?? false })
  })
  const proxy = createDnsProxy({
    clusterDomain: 'cluster.local',
    preferredNamespace: undefined,
    ipv6: true,
    client: async () => ('client' in options ? options.client : client),
    services: { servicesByHostname: name => (options.services ?? []).filter(({ hostname }) => hostname === name) },
    forwarder,
    observe: outcome => outcomes.push(outcome)
  })
  const { port } = await serve(proxy)
  return { port, outcomes }
}

async function serve(proxy: DnsProxy): Promise<{ port: number; drain: DnsServer['drain'] }> {
  const onError = (error: unknown): never => {
    throw error
  }
  const addresses = [{ ip: '127.0.0.1', port: 0 }]
  const server = createDnsServer({ netns: undefined, addresses, mark: 0, reusePort: false, proxy, onError })
  const [bound] = await server.start()
  onTestFinished(server.close)
  return { port: bound?.port ?? 0, drain: server.drain }
}

async function ask(port: number, query: Packet | Buffer): Promise<Decoded> {
  const socket = dgram.createSocket('udp4')
  socket.send(Buffer.isBuffer(query) ? query : packet.encode(query), port, '127.0.0.1')
  const [bytes] = await once(socket, 'message')
  socket.close()
  return decode(bytes as Buffer)
}

async function askTcp(port: number, queries: Packet[]): Promise<Decoded[]> {
  const socket = net.connect(port, '127.0.0.1')
  socket.write(Buffer.concat(queries.map(query => frame(packet.encode(query)))))
  const frames = createFrameReader()
  const replies: Decoded[] = []
  for await (const chunk of socket) {
    replies.push(...frames.push(chunk as Buffer).map(each => decode(each)))
    if (replies.length === queries.length) break
  }
  return replies
}

function query(name: string, type: packet.RecordType = 'A', rest: Packet = {}): Packet {
  return { type: 'query', id: 77, flags: 0x100, questions: [{ name, type }], ...rest }
}

function service(hostname: string, rest: Partial<DnsService> = {}): DnsService {
  return {
    hostname,
    namespace: 'ns2',
    vips: [{ network: 'n1', address: '10.96.3.3' }],
    canonical: false,
    visibility: 'Public',
    ipFamilies: undefined,
    endpointAddresses: () => [],
    ...rest
  }
}

describe('local answers', () => {
  it('[observability-dns-20] answers a service of another namespace by its short name', async () => {
    const { port, outcomes } = await startServer({ services: [service('a.ns2.svc.cluster.local')] })
    const reply = await ask(port, query('A.ns2'))
    expect(reply).toMatchObject({
      id: 77,
      rcode: 'NOERROR',
      flag_aa: true,
      flag_ra: true,
      flag_rd: true,
      flag_ad: false
    })
    expect(reply.questions).toMatchObject([{ name: 'A.ns2', type: 'A' }])
    expect(reply.answers).toMatchObject([{ name: 'a.ns2', type: 'A', ttl: 30, data: '10.96.3.3' }])
    expect(outcomes).toMatchObject([{ protocol: 'udp', type: 1, domain: 'a.ns2.', result: 'success', endpoints: 0 }])
  })

  it('names what a stripped search domain left with a CNAME, but not for a wildcard', async () => {
    const { port, outcomes } = await startServer({
      services: [service('a.ns2.svc.cluster.local'), service('*.wild.example')]
    })
    const reply = await ask(port, query('a.ns2.ns1.svc.cluster.local'))
    expect(reply.answers).toMatchObject([
      { name: 'a.ns2.ns1.svc.cluster.local', type: 'CNAME', ttl: 30, data: 'a.ns2' },
      { name: 'a.ns2', type: 'A', ttl: 30, data: '10.96.3.3' }
    ])
    expect(outcomes).toMatchObject([{ result: 'success', endpoints: 1 }])
    const wild = await ask(port, query('q.wild.example.svc.cluster.local'))
    expect(wild.answers).toMatchObject([{ name: 'q.wild.example.svc.cluster.local', type: 'A' }])
    expect(wild.answers).toHaveLength(1)
  })

  it('answers with no records when the name exists without an address of the type or network', async () => {
    const services = [
      service('a.ns2.svc.cluster.local', { ipFamilies: 'IPv4' }),
      service('b.ns2.svc.cluster.local', { vips: [{ network: 'other', address: '10.96.3.3' }] })
    ]
    const { port, outcomes } = await startServer({ services })
    const families = await ask(port, query('a.ns2', 'AAAA'))
    const networks = await ask(port, query('b.ns2'))
    for (const reply of [families, networks]) {
      expect(reply).toMatchObject({ rcode: 'NOERROR', flag_aa: true, answers: [], authorities: [] })
    }
    expect(outcomes.map(({ result }) => result)).toEqual(['service does not support this record type', 'no records'])
  })

  it('[observability-dns-22] answers a headless service with its endpoints in varying order', async () => {
    const endpoints = service('h.ns2.svc.cluster.local', {
      vips: [],
      endpointAddresses: () => ['10.0.0.1', '10.0.0.2']
    })
    const { port } = await startServer({ services: [endpoints] })
    const orders = new Set<string>()
    // The chance that all 40 agree is 2 in 2^40.
    for (let i = 0; i < 40; i++) {
      const reply = await ask(port, query('h.ns2'))
      orders.add((reply.answers ?? []).map(answer => ('data' in answer ? answer.data : '')).join())
    }
    expect([...orders].sort()).toEqual(['10.0.0.1,10.0.0.2', '10.0.0.2,10.0.0.1'])
  })

  it('[observability-dns-25] truncates to the size of the client over UDP and never over TCP', async () => {
    const vips = Array.from({ length: 256 }, (_, i) => ({ network: 'n1', address: `10.96.4.${i}` }))
    const { port } = await startServer({ services: [service('many.ns2.svc.cluster.local', { vips })] })
    const edns = {
      name: '.',
      type: 'OPT' as const,
      udpPayloadSize: 1232,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0x8000,
      flag_do: true,
      options: []
    }
    const socket = dgram.createSocket('udp4')
    socket.send(packet.encode(query('many.ns2', 'A', { additionals: [edns] })), port, '127.0.0.1')
    const [bytes] = (await once(socket, 'message')) as [Buffer]
    socket.close()
    const reply = decode(bytes)
    expect(bytes.length).toBeLessThanOrEqual(1232)
    expect(reply.flag_tc).toBe(true)
    expect(reply.answers?.length).toBeGreaterThan(1)
    expect(reply.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232, flag_do: true }])

    const [whole] = await askTcp(port, [query('many.ns2')])
    expect([whole?.flag_tc, whole?.answers?.length]).toEqual([false, 256])
  })
})

describe('forwarding', () => {
  it('[observability-dns-21] asks the upstream once with the name as it is and answers without AA', async () => {
    const upstream = await startUpstream(asked => [
      response(asked, { answers: [{ type: 'A', name: 'www.example.org', ttl: 60, data: '192.0.2.7' }] })
    ])
    const { port, outcomes } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('WWW.example.org'))
    expect(upstream.asked.map(({ questions }) => questions)).toMatchObject([[{ name: 'www.example.org', type: 'A' }]])
    expect(reply).toMatchObject({ rcode: 'NOERROR', flag_aa: false, flag_ra: true })
    expect(reply.questions).toMatchObject([{ name: 'WWW.example.org' }])
    expect(reply.answers).toMatchObject([{ name: 'www.example.org', ttl: 60, data: '192.0.2.7' }])
    expect(outcomes).toMatchObject([{ result: 'forwarded', endpoints: 1, upstream: { failed: false } }])
  })

  it('goes to TCP after a truncated reply', async () => {
    const upstream = await startUpstream((asked, protocol) => [
      protocol === 'udp'
        ? response(asked, { flags: 0x380 })
        : response(asked, { answers: [{ type: 'TXT', name: 'big.example.org', ttl: 5, data: ['x'.repeat(200)] }] })
    ])
    const { port } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('big.example.org', 'TXT'))
    expect(reply.answers).toMatchObject([{ type: 'TXT', name: 'big.example.org' }])
    expect([upstream.asked.length, upstream.overTcp.length]).toEqual([1, 1])
  })

  it('does not take a reply with another id, another name, the name in another case, or a denial without it', async () => {
    const answers = (data: string): Packet => ({ answers: [{ type: 'A', name: 'www.example.org', data }] })
    const upstream = await startUpstream(asked => [
      response(asked, { ...answers('192.0.2.1'), id: ((asked.id ?? 0) + 1) % 65_536 }),
      response(asked, { ...answers('192.0.2.2'), questions: [{ name: 'evil.example.org', type: 'A' }] }),
      response(asked, { ...answers('192.0.2.3'), questions: [{ name: 'www.Example.org', type: 'A' }] }),
      // NXDOMAIN, without a question.
      response(asked, { questions: [], flags: 0x183 }),
      response(asked, answers('192.0.2.4'))
    ])
    const { port } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('www.example.org'))
    expect(reply.answers).toMatchObject([{ data: '192.0.2.4' }])
  })

  it('does not take a reply of anybody but the server that was asked', async () => {
    const forger = dgram.createSocket('udp4')
    forger.bind(0, '127.0.0.1')
    await once(forger, 'listening')
    onTestFinished(() => void forger.close())
    const server = dgram.createSocket('udp4')
    const answer = (asked: Packet, data: string): Buffer =>
      packet.encode(response(asked, { answers: [{ type: 'A', name: 'www.example.org', data }] }))
    server.on('message', (bytes, peer) => {
      const asked = decode(bytes)
      // It knows the id, the port and the question.
      forger.send(answer(asked, '192.0.2.1'), peer.port, peer.address, () =>
        server.send(answer(asked, '192.0.2.2'), peer.port, peer.address)
      )
    })
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = await startServer({ upstreams: [server.address().port] })
    expect((await ask(port, query('www.example.org'))).answers).toMatchObject([{ data: '192.0.2.2' }])
  })

  it('asks the same question once, however many wait for its answer', async () => {
    const waiting: (() => void)[] = []
    const udp = dgram.createSocket('udp4')
    udp.on('message', (bytes, peer) => {
      const answers: Packet['answers'] = [{ type: 'A', name: 'x.example', data: '192.0.2.1' }]
      waiting.push(() => udp.send(packet.encode(response(decode(bytes), { answers })), peer.port))
    })
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    onTestFinished(() => void udp.close())
    const { port } = await startServer({ upstreams: [udp.address().port] })
    const replies = Array.from({ length: 20 }, () => ask(port, query('X.example')))
    // Another one, asked after them and so known to the server after them.
    const last = ask(port, query('y.example'))
    await expect.poll(() => waiting.length).toBe(2)
    for (const answer of waiting) answer()
    for (const reply of await Promise.all(replies)) expect(reply.answers).toMatchObject([{ data: '192.0.2.1' }])
    await last
    expect(waiting).toHaveLength(2)
  })

  it('mixes the case of names, where that is wanted, and shows nobody the mixture', async () => {
    const names: string[] = []
    const upstream = await startUpstream(asked => {
      const name = asked.questions?.[0]?.name ?? ''
      names.push(name)
      return [response(asked, { answers: [{ type: 'A', name, data: '192.0.2.7', ttl: 0 }] })]
    })
    const { port, outcomes } = await startServer({ upstreams: [upstream.port], randomCase: true })
    for (let i = 0; i < 4; i++) {
      const reply = await ask(port, query('Www.somewhere.example.org'))
      expect(reply.questions).toMatchObject([{ name: 'Www.somewhere.example.org' }])
      expect(reply.answers).toMatchObject([{ data: '192.0.2.7' }])
      expect(reply.answers?.[0]?.name.toLowerCase()).toBe('www.somewhere.example.org')
    }
    expect(upstream.overTcp).toEqual([])
    expect(new Set(names.map(name => name.toLowerCase()))).toEqual(new Set(['www.somewhere.example.org']))
    // 22 letters: the same mixture four times has no chance.
    expect(new Set(names).size).toBeGreaterThan(1)
    expect(outcomes).toMatchObject(Array(4).fill({ domain: 'www.somewhere.example.org.' }))
  })

  it('asks over TCP where the name comes back in another mixture', async () => {
    const lower = (asked: Packet): Packet => ({
      questions: (asked.questions ?? []).map(question => ({ ...question, name: question.name.toLowerCase() }))
    })
    const upstream = await startUpstream((asked, protocol) => [
      response(asked, {
        ...lower(asked),
        answers: [{ type: 'A', name: 'x', data: protocol === 'udp' ? '192.0.2.1' : '192.0.2.2' }]
      })
    ])
    const { port } = await startServer({ upstreams: [upstream.port], randomCase: true })
    // 40 letters: all of them lower by chance once in 10^12.
    const reply = await ask(port, query('abcdefghijklmnopqrst.abcdefghijklmnopqrst'))
    expect(reply.answers).toMatchObject([{ data: '192.0.2.2' }])
    expect([upstream.asked.length, upstream.overTcp.length]).toEqual([1, 1])
  })

  it('uses a new id and port for each question', async () => {
    const ports = new Set<number>()
    const ids = new Set<number>()
    const udp = dgram.createSocket('udp4')
    udp.on('message', (bytes, peer) => {
      const asked = decode(bytes)
      ports.add(peer.port)
      ids.add(asked.id ?? 0)
      udp.send(
        packet.encode(response(asked, { answers: [{ type: 'A', name: 'x.example', data: '192.0.2.1' }] })),
        peer.port
      )
    })
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    onTestFinished(() => void udp.close())
    const { port } = await startServer({ upstreams: [udp.address().port] })
    for (let i = 0; i < 10; i++) await ask(port, query('x.example'))
    expect(ids.size).toBeGreaterThan(7)
    expect(ports.size).toBeGreaterThan(7)
  })

  it('follows a CNAME whose end is missing', async () => {
    const upstream = await startUpstream(asked => [
      response(asked, {
        answers:
          asked.questions?.[0]?.name === 'a.example'
            ? [{ type: 'CNAME', name: 'a.example', ttl: 9, data: 'b.example' }]
            : [{ type: 'A', name: 'b.example', ttl: 9, data: '192.0.2.9' }]
      })
    ])
    const { port } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('a.example'))
    expect(reply.answers).toMatchObject([
      { type: 'CNAME', data: 'b.example' },
      { type: 'A', name: 'b.example', data: '192.0.2.9' }
    ])
  })

  it.each([
    ['NXDOMAIN', 3],
    ['SERVFAIL', 2],
    ['REFUSED', 5]
  ])('passes %s on with empty sections', async (name, code) => {
    const soa = { mname: 'a.example', rname: 'b.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 }
    const upstream = await startUpstream(asked => [
      response(asked, { flags: 0x180 | code, authorities: [{ type: 'SOA', name: 'example', ttl: 3, data: soa }] })
    ])
    const { port, outcomes } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('none.example'))
    expect(reply).toMatchObject({ rcode: name, flag_aa: false, flag_ra: false, answers: [], authorities: [] })
    expect(outcomes).toMatchObject([{ endpoints: 0, upstream: { failed: true } }])
  })

  it('asks two servers at once and takes the one that answers', async () => {
    const silent = await startUpstream(() => [])
    const alive = await startUpstream(asked => [
      response(asked, { answers: [{ type: 'A', name: 'x.example', data: '192.0.2.5' }] })
    ])
    const { port } = await startServer({ upstreams: [silent.port, alive.port] })
    expect((await ask(port, query('x.example'))).answers).toMatchObject([{ data: '192.0.2.5' }])
    expect(silent.asked).toHaveLength(1)
  })

  it('answers SERVFAIL when nobody answers in time, after the retries', async () => {
    const silent = await startUpstream(() => [])
    const { port, outcomes } = await startServer({ upstreams: [silent.port], timeout: 50, attempts: 2 })
    expect((await ask(port, query('x.example'))).rcode).toBe('SERVFAIL')
    expect(silent.asked).toHaveLength(3)
    expect(outcomes[0]?.result).toMatch(/^forwarding failed \(no answer from 127.0.0.1:\d+ in time\)$/)
  })

  it.each([
    ['printer.office', 'A', 'NOERROR', ['10.9.9.9']],
    ['9.9.9.10.in-addr.arpa', 'PTR', 'NOERROR', ['printer.office']],
    ['db.localhost', 'A', 'NOERROR', ['127.0.0.1']],
    ['localhost', 'AAAA', 'NOERROR', ['::1']],
    ['1.0.0.127.in-addr.arpa', 'PTR', 'NOERROR', ['localhost']],
    ['x.onion', 'A', 'NXDOMAIN', []],
    ['invalid', 'A', 'NXDOMAIN', []]
  ] as const)('knows %s %s without asking', async (name, type, rcode, data) => {
    const { port } = await startServer({})
    const reply = await ask(port, query(name, type))
    expect(reply).toMatchObject({ rcode, flag_aa: false })
    expect((reply.answers ?? []).map(answer => ('data' in answer ? answer.data : ''))).toEqual(data)
  })
})

describe('messages that are no good question', () => {
  it('answers FORMERR, NOTIMP and SERVFAIL, and nothing to responses and scraps', async () => {
    const { port, outcomes } = await startServer({})
    const good = packet.encode(query('a.ns2'))
    const socket = dgram.createSocket('udp4')
    const replies: Decoded[] = []
    const done = new Promise<void>(resolve => {
      socket.on('message', bytes => {
        if (replies.push(decode(bytes)) === 3) resolve()
      })
    })
    const variants = [
      good.subarray(0, 11),
      packet.encode(response(query('a.ns2'), {})),
      good.subarray(0, good.length - 3),
      packet.encode(query('a.ns2', 'A', { flags: 0x100 | (4 << 11) })),
      packet.encode(query('a.ns2', 'A', { questions: [] }))
    ]
    for (const bytes of variants) socket.send(bytes, port, '127.0.0.1')
    await done
    socket.close()
    expect(replies.map(reply => `${reply.rcode} ${reply.questions?.length} ${reply.flag_ra}`)).toEqual([
      'FORMERR 0 false',
      'NOTIMP 1 false',
      'SERVFAIL 0 false'
    ])
    expect(outcomes).toEqual([])
  })

  it('does not follow compression pointers in circles', async () => {
    const { port } = await startServer({})
    const looped = packet.encode(query('a'))
    looped[12] = 0xc0
    looped[13] = 12
    expect((await ask(port, looped)).rcode).toBe('FORMERR')
    // Into the header: the byte there would read as the root.
    looped[13] = 4
    expect((await ask(port, looped)).rcode).toBe('FORMERR')
  })

  it('answers SERVFAIL to a client that is not known, and counts it', async () => {
    const { port, outcomes } = await startServer({ client: undefined, services: [service('a.ns2.svc.cluster.local')] })
    expect((await ask(port, query('a.ns2'))).rcode).toBe('SERVFAIL')
    expect(outcomes).toMatchObject([{ client: undefined, upstream: undefined }])
  })
})

it('answers the requests of one TCP connection one after another', async () => {
  const services = [service('a.ns2.svc.cluster.local'), service('b.ns2.svc.cluster.local')]
  const { port } = await startServer({ services })
  const replies = await askTcp(port, [query('a.ns2', 'A', { id: 1 }), query('b.ns2', 'A', { id: 2 })])
  expect(replies.map(({ id }) => id)).toEqual([1, 2])
})

describe('a server that drains', () => {
  /** Sends questions back when it is told to. */
  async function start(): Promise<{ port: number; drain: DnsServer['drain']; waiting: (() => void)[] }> {
    const waiting: (() => void)[] = []
    const answer = (bytes: Buffer): Promise<Buffer> => new Promise(resolve => waiting.push(() => resolve(bytes)))
    return { ...(await serve({ answer })), waiting }
  }

  it('answers who has asked over UDP and TCP, takes no new connection, and closes', async () => {
    const { port, drain, waiting } = await start()
    const reply = ask(port, query('a.example', 'A', { id: 1 }))
    const replies = askTcp(port, [query('a.example', 'A', { id: 2 }), query('a.example', 'A', { id: 3 })])
    const idle = net.connect(port, '127.0.0.1').on('error', () => undefined)
    await expect.poll(() => waiting.length).toBe(2)
    const idleClosed = once(idle.resume(), 'close')
    const drained = drain({ deadline: new AbortController().signal })
    await idleClosed
    const refused = net.connect(port, '127.0.0.1')
    expect((await once(refused, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    for (const answer of waiting.splice(0)) answer()
    expect((await reply).id).toBe(1)
    await expect.poll(() => waiting.length).toBe(1)
    waiting[0]?.()
    expect((await replies).map(({ id }) => id)).toEqual([2, 3])
    await drained
    const late = dgram.createSocket('udp4')
    onTestFinished(() => void late.close())
    late.connect(port, '127.0.0.1')
    await once(late, 'connect')
    late.send(packet.encode(query('a.example')))
    expect((await once(late, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('closes at its deadline whoever waits', async () => {
    const { port, drain, waiting } = await start()
    const socket = net.connect(port, '127.0.0.1').on('error', () => undefined)
    socket.write(frame(packet.encode(query('a.example'))))
    const closed = once(socket.resume(), 'close')
    await expect.poll(() => waiting.length).toBe(1)
    const deadline = new AbortController()
    const drained = drain({ deadline: deadline.signal })
    deadline.abort()
    await Promise.all([drained, closed])
  })
})

describe('a client that asks without end', () => {
  it('has 1,024 questions answered at a time over UDP, and others when those are', async () => {
    const waiting: (() => void)[] = []
    const { port } = await serve({
      answer: () => new Promise(resolve => waiting.push(() => resolve(packet.encode({ type: 'response', id: 1 }))))
    })
    const socket = dgram.createSocket('udp4')
    onTestFinished(() => void socket.close())
    let replies = 0
    socket.on('message', () => replies++)
    const send = (): Promise<unknown> =>
      new Promise(resolve => socket.send(packet.encode(query('a.example')), port, '127.0.0.1', resolve))
    // In small batches: the kernel drops what its buffer does not hold.
    for (let sent = 0; sent < 1_024; sent += 64) {
      await Promise.all(Array.from({ length: 64 }, send))
      await expect.poll(() => waiting.length).toBe(sent + 64)
    }
    await Promise.all(Array.from({ length: 64 }, send))
    // They are in the server's buffer, which is read within a few turns of this loop.
    for (let turn = 0; turn < 64; turn++) await setImmediate()
    waiting.pop()?.()
    await expect.poll(() => replies).toBe(1)
    // Those beyond were dropped: the next one to be asked is a new one.
    expect(waiting).toHaveLength(1_023)
    await send()
    await expect.poll(() => waiting.length).toBe(1_024)
  })

  it('has 128 connections at a time', async () => {
    const { port } = await serve({ answer: async () => packet.encode({ type: 'response', id: 1 }) })
    const question = frame(packet.encode(query('a.example')))
    const connect = async (): Promise<net.Socket> => {
      const socket = net.connect(port, '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(question)
      return socket
    }
    const sockets = await Promise.all(Array.from({ length: 128 }, connect))
    await Promise.all(sockets.map(socket => once(socket, 'data')))
    await once(await connect(), 'close')
    sockets[0]?.destroy()
    const answered = async (): Promise<boolean> => {
      const socket = await connect()
      return await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)])
    }
    await expect.poll(answered).toBe(true)
  })
})

it.each([
  { title: 'comes byte by byte', parts: [Buffer.from([0]), Buffer.from([0])] },
  { title: 'never begins', parts: [undefined, undefined] }
])('closes a TCP connection whose request $title', async ({ parts }) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { port } = await startServer({})
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const closed = once(socket, 'close')
  // One whole request: its connection is known to the server when the reply is here.
  socket.write(frame(packet.encode(query('a.localhost'))))
  await once(socket, 'data')
  for (const bytes of parts) {
    if (bytes !== undefined) socket.write(bytes)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(socket.destroyed).toBe(false)
  }
  await vi.advanceTimersByTimeAsync(1_001)
  socket.resume()
  await closed
})

it('closes a TCP connection that takes no reply', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  let answered = 0
  const answer = async (): Promise<Buffer> => Buffer.alloc(60_000, answered++)
  const { port } = await serve({ answer })
  const socket = net.connect(port, '127.0.0.1')
  socket.pause()
  const closed = once(socket, 'close')
  socket.write(Buffer.concat(Array.from({ length: 500 }, () => frame(packet.encode(query('a.ns2'))))))
  for (let before = -1; before !== answered; await setImmediate()) before = answered
  await vi.advanceTimersByTimeAsync(5_001)
  socket.on('error', () => undefined)
  socket.resume()
  await closed
  expect(answered).toBeLessThan(500)
})

it('does not answer further while a TCP client does not read', async () => {
  const warnings: Error[] = []
  const warned = (warning: Error): unknown => warnings.push(warning)
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))
  let answered = 0
  const answer = async (): Promise<Buffer> => Buffer.alloc(60_000, answered++)
  const { port } = await serve({ answer })
  const asked = 500
  const socket = net.connect(port, '127.0.0.1')
  socket.write(Buffer.concat(Array.from({ length: asked }, () => frame(packet.encode(query('a.ns2'))))))
  while (answered === 0) await setImmediate()
  expect(answered).toBeLessThan(asked)
  const frames = createFrameReader()
  const replies: Buffer[] = []
  for await (const chunk of socket) {
    replies.push(...frames.push(chunk as Buffer))
    if (replies.length === asked) break
  }
  expect(replies.map(reply => reply[0])).toEqual(Array.from({ length: asked }, (_, i) => i & 255))
  // Of listeners that pile up, for one.
  expect(warnings).toEqual([])
})

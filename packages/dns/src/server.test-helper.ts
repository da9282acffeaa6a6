import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import packet, { type DecodedPacket, type Packet } from 'dns-packet'
import { onTestFinished } from 'vitest'
import {
  createDnsProxy,
  createDnsServer,
  createExchange,
  createForwarder,
  type DnsClient,
  type DnsOutcome,
  type DnsProxy,
  type DnsServer,
  type DnsService,
  parseHosts
} from './index.ts'
import { createFrameReader, frame } from './tcp-frames.ts'

const client: DnsClient = { namespace: 'ns1', network: 'n1' }

/** What the decoder adds and its types do not say. */
export type Decoded = DecodedPacket & { readonly rcode: string }

export const decode = (bytes: Buffer): Decoded => packet.decode(bytes) as Decoded

export interface Upstream {
  readonly port: number
  readonly asked: Packet[]
  readonly overTcp: Packet[]
}

/** A server on UDP and TCP at one port; `reply` gets the question and says what to send. */
export async function startUpstream(
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

export function response(query: Packet, rest: Packet): Packet {
  return { type: 'response', id: query.id ?? 0, questions: query.questions ?? [], flags: 0x180, ...rest }
}

export async function startServer(options: {
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

export async function serve(proxy: DnsProxy): Promise<{ port: number; drain: DnsServer['drain'] }> {
  const onError = (error: unknown): never => {
    throw error
  }
  const addresses = [{ ip: '127.0.0.1', port: 0 }]
  const server = createDnsServer({ netns: undefined, addresses, mark: 0, reusePort: false, proxy, onError })
  const [bound] = await server.start()
  onTestFinished(server.close)
  return { port: bound?.port ?? 0, drain: server.drain }
}

export async function ask(port: number, query: Packet | Buffer): Promise<Decoded> {
  const socket = dgram.createSocket('udp4')
  socket.send(Buffer.isBuffer(query) ? query : packet.encode(query), port, '127.0.0.1')
  const [bytes] = await once(socket, 'message')
  socket.close()
  return decode(bytes as Buffer)
}

export async function askTcp(port: number, queries: Packet[]): Promise<Decoded[]> {
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

export function query(name: string, type: packet.RecordType = 'A', rest: Packet = {}): Packet {
  return { type: 'query', id: 77, flags: 0x100, questions: [{ name, type }], ...rest }
}

export function service(hostname: string, rest: Partial<DnsService> = {}): DnsService {
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

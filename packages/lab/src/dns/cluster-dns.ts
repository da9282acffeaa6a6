import dgram from 'node:dgram'
import net from 'node:net'
import { bindUdp, listenTcp, type Netns } from '@culvert/netns'
import { fitDatagram, type ResponderOptions, respond } from './respond.ts'

export interface ClusterDnsOptions extends ResponderOptions {
  readonly netns: Netns
  readonly ip: string
  readonly onError: (error: unknown) => void
}

/** A query over TCP has two bytes of length in front. */
const lengthBytes = 2

/** Milliseconds after which an idle TCP client is let go. */
const idleTimeout = 10_000

const maxTcpClients = 500

/** The cluster's DNS server: UDP and TCP on port 53 of an address in a namespace, answering in this process. */
export async function startClusterDns(options: ClusterDnsOptions): Promise<AsyncDisposable> {
  const { netns, ip, onError } = options
  await using undo = new AsyncDisposableStack()
  const udp = dgram.createSocket('udp4')
  undo.defer(() => new Promise<void>(resolve => udp.close(resolve)))
  udp.on('error', onError)
  udp.on('message', (query, from) => {
    respond(query, options)
      .then(answer => {
        if (answer !== undefined) udp.send(fitDatagram(answer, query), from.port, from.address)
      })
      .catch(onError)
  })
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject)
    udp.bind({ fd: bindUdp(netns, { ip, port: 53 }) }, resolve)
  })

  const clients = new Set<net.Socket>()
  const tcp = net.createServer(socket => {
    clients.add(socket)
    socket.on('close', () => clients.delete(socket))
    socket.on('error', () => {}) // a client that resets its connection has no use for an answer
    serveTcp(socket, options).catch(onError)
  })
  tcp.maxConnections = maxTcpClients
  undo.defer(() => {
    for (const socket of clients) socket.destroy()
    return new Promise<void>(resolve => tcp.close(() => resolve()))
  })
  const { fd } = listenTcp(netns, { ip, port: 53 })
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject)
    tcp.listen({ fd }, resolve)
  })
  tcp.on('error', onError)
  return undo.move()
}

/** Answers one query after another; at most one is kept in memory. */
async function serveTcp(socket: net.Socket, options: ClusterDnsOptions): Promise<void> {
  socket.setTimeout(idleTimeout, () => socket.destroy())
  let received = Buffer.alloc(0)
  try {
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer])
      while (received.length >= lengthBytes) {
        const end = lengthBytes + received.readUInt16BE(0)
        if (received.length < end) break
        const answer = await respond(received.subarray(lengthBytes, end), options)
        received = received.subarray(end)
        if (answer === undefined) return
        const length = Buffer.alloc(lengthBytes)
        length.writeUInt16BE(answer.length)
        socket.write(Buffer.concat([length, answer]))
      }
    }
  } catch (error) {
    if (!socket.destroyed) throw error
  } finally {
    socket.end()
  }
}

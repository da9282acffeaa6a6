import dgram from 'node:dgram'
import net from 'node:net'
import { bindUdp, listenTcp, type Netns } from '@culvert/netns'
import { DnsError } from './errors.ts'
import type { DnsProxy } from './proxy.ts'
import { createFrameReader, frame } from './tcp-frames.ts'

export interface DnsServerOptions {
  /** Where the sockets are made; undefined: the process's own namespace. */
  readonly netns: Netns | undefined
  /** Each over UDP and TCP. Port 0: chosen by the kernel, the same for both. */
  readonly addresses: readonly { readonly ip: string; readonly port: number }[]
  readonly mark: number
  readonly reusePort: boolean
  readonly proxy: DnsProxy
  /** A socket's error, or a question that made the proxy fail and so stays without a reply. */
  readonly onError: (error: unknown) => void
}

export interface DnsServer {
  /** Binds every socket or none; resolves with what was bound. */
  readonly start: () => Promise<readonly { readonly ip: string; readonly port: number }[]>
  /** Queries under way are called off. Repeatable. */
  readonly close: () => Promise<void>
}

/** One pod must not take the node's memory: beyond these, datagrams are dropped and connections closed. */
const maxQueries = 1_024
const maxConnections = 128
/** docs/spec/zds.md 4.3. */
const backlog = 128
/** Milliseconds for the next request to be there as a whole, and for a reply to be taken; then a TCP connection is closed. */
const idleTime = 5_000

export function createDnsServer(options: DnsServerOptions): DnsServer {
  const stop = new AbortController()
  const closers: (() => Promise<void>)[] = []
  let queries = 0

  const onDatagram = async (socket: dgram.Socket, bytes: Buffer, peer: dgram.RemoteInfo): Promise<void> => {
    if (peer.port === 0 || isUnusableSource(peer.address) || queries >= maxQueries) return
    queries++
    try {
      const reply = await options.proxy.answer(bytes, 'udp', stop.signal)
      // A reply that cannot be sent (the client's port is gone) concerns nobody.
      if (reply !== undefined && !stop.signal.aborted) socket.send(reply, peer.port, peer.address, () => undefined)
    } catch (error) {
      options.onError(error)
    } finally {
      queries--
    }
  }

  const bind = async (ip: string, port: number): Promise<{ ip: string; port: number }> => {
    const { mark, reusePort, netns } = options
    // TCP first: of the ports the kernel may choose, far fewer are taken for UDP.
    const sockets = new Set<net.Socket>()
    const tcp = net.createServer({ noDelay: true }, socket => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      serveConnection(socket, options, stop.signal)
    })
    tcp.maxConnections = maxConnections
    const listener = listenTcp(netns, { ip, port, mark, reusePort, backlog })
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject)
      // Node calls listen(2) again; next to a descriptor only the second argument is taken as its backlog.
      tcp.listen({ fd: listener.fd }, backlog, resolve)
    })
    // Accepting can fail too, without descriptors for instance; the server goes on.
    tcp.on('error', options.onError)
    closers.push(async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => tcp.close(resolve))
    })
    const { port: bound } = tcp.address() as net.AddressInfo

    const fd = bindUdp(netns, { ip, port: bound, mark, reusePort })
    const udp = dgram.createSocket(ip.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject)
      udp.bind({ fd }, resolve)
    })
    udp.on('error', options.onError)
    udp.on('message', (bytes, peer) => void onDatagram(udp, bytes, peer))
    closers.push(() => new Promise(resolve => udp.close(() => resolve())))
    return { ip, port: bound }
  }

  const close = async (): Promise<void> => {
    stop.abort()
    await Promise.all(closers.splice(0).map(each => each()))
  }

  return {
    close,
    start: async () => {
      const bound: { ip: string; port: number }[] = []
      for (const { ip, port } of options.addresses) {
        try {
          bound.push(await bind(ip, port))
        } catch (cause) {
          await close()
          const reason = cause instanceof Error ? cause.message : String(cause)
          throw new DnsError('DNS_BIND', `cannot serve DNS on ${ip} port ${port}: ${reason}`, { cause })
        }
      }
      return bound
    }
  }
}

/** Requests of one connection one after another; nothing is read while one is being answered. */
function serveConnection(socket: net.Socket, { proxy, onError }: DnsServerOptions, signal: AbortSignal): void {
  const frames = createFrameReader()
  const waiting: Buffer[] = []
  let busy = false
  // Not the socket's own timeout: that begins anew with every byte.
  let deadline: NodeJS.Timeout | undefined
  const expect = (): void => {
    clearTimeout(deadline)
    deadline = setTimeout(() => socket.destroy(), idleTime)
  }
  expect()
  socket.once('close', () => clearTimeout(deadline))
  socket.on('error', () => undefined)

  const work = async (): Promise<void> => {
    busy = true
    socket.pause()
    clearTimeout(deadline)
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const reply = await proxy.answer(next, 'tcp', signal)
      if (socket.destroyed) return
      if (reply === undefined || socket.write(frame(reply))) continue
      // A client that does not read must not make us keep its replies.
      expect()
      await new Promise(resolve => socket.once('drain', resolve).once('close', resolve))
      clearTimeout(deadline)
      if (socket.destroyed) return
    }
    busy = false
    expect()
    socket.resume()
  }
  socket.on('data', (chunk: Buffer) => {
    waiting.push(...frames.push(chunk))
    if (!busy && waiting.length > 0) {
      work().catch((error: unknown) => {
        onError(error)
        socket.destroy()
      })
    }
  })
}

/** Unspecified or broadcast: a reply would go to everybody or nobody. */
function isUnusableSource(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::' || ip === '255.255.255.255'
}

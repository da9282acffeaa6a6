import dgram from 'node:dgram'
import net from 'node:net'
import { bindUdp, listenTcp, type Netns } from '@culvert/netns'
import { DnsError } from './errors.ts'
import type { DnsProxy } from './proxy.ts'
import { serveConnection, type TcpConnection } from './tcp-connection.ts'

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
  /** No new connection; who has asked gets an answer. Closes when nobody waits, or when `deadline` aborts. */
  readonly drain: (options: { readonly deadline: AbortSignal }) => Promise<void>
  /** Queries under way are called off. Repeatable. */
  readonly close: () => Promise<void>
}

/** One pod must not take the node's memory: beyond these, datagrams are dropped and connections closed. */
const maxQueries = 1_024
const maxConnections = 128
/** docs/spec/zds.md 4.3. */
const backlog = 128

export function createDnsServer(options: DnsServerOptions): DnsServer {
  const stop = new AbortController()
  const closers: (() => Promise<void>)[] = []
  const listeners: net.Server[] = []
  const connections = new Map<net.Socket, TcpConnection>()
  let queries = 0
  let draining = false
  let onIdle = (): void => undefined
  const tellIfIdle = (): void => {
    if (queries + connections.size === 0) onIdle()
  }

  const onDatagram = async (socket: dgram.Socket, bytes: Buffer, peer: dgram.RemoteInfo): Promise<void> => {
    if (peer.port === 0 || isUnusableSource(peer.address) || queries >= maxQueries) return
    queries++
    try {
      const reply = await options.proxy.answer(bytes, 'udp', stop.signal)
      // A reply that cannot be sent (the client's port is gone) concerns nobody.
      if (reply !== undefined && !stop.signal.aborted) {
        await new Promise(resolve => socket.send(reply, peer.port, peer.address, resolve))
      }
    } catch (error) {
      options.onError(error)
    } finally {
      queries--
      tellIfIdle()
    }
  }

  const bind = async (ip: string, port: number): Promise<{ ip: string; port: number }> => {
    const { mark, reusePort, netns } = options
    // TCP first: of the ports the kernel may choose, far fewer are taken for UDP.
    const tcp = net.createServer({ noDelay: true }, socket => {
      const connection = serveConnection(socket, { ...options, signal: stop.signal })
      connections.set(socket, connection)
      socket.once('close', () => {
        connections.delete(socket)
        tellIfIdle()
      })
      // Accepted before the listener was closed.
      if (draining) connection.drain()
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
    listeners.push(tcp)
    closers.push(() => new Promise(resolve => tcp.close(() => resolve())))
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
    for (const socket of connections.keys()) socket.destroy()
    await Promise.all(closers.splice(0).map(each => each()))
  }

  const drain: DnsServer['drain'] = async ({ deadline }) => {
    draining = true
    for (const listener of listeners) listener.close()
    for (const connection of connections.values()) connection.drain()
    await new Promise<void>(resolve => {
      onIdle = resolve
      deadline.addEventListener('abort', () => resolve(), { once: true })
      if (deadline.aborted) resolve()
      tellIfIdle()
    })
    await close()
  }

  return {
    close,
    drain,
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

/** Unspecified or broadcast: a reply would go to everybody or nobody. */
function isUnusableSource(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::' || ip === '255.255.255.255'
}

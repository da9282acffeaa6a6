import net from 'node:net'
import { connectTcp, listenTcp, type Netns, type DeadPeerOptions } from '@culvert/netns'
import type { Endpoint, ListenerRole, SocketSettings } from '../../data-path.ts'
import { TunnelError } from '../../errors.ts'
import type { TunnelLog } from '../../log.ts'
import { osErrorText } from './os-error.ts'

const BACKLOG = 128

export interface BoundListener {
  readonly role: ListenerRole
  readonly server: net.Server
  readonly address: Endpoint
  readonly transparent: boolean
}

/** The sockets of one pod: made in its namespace, marked, with its settings (docs/spec/zds.md 4.3). */
export class PodSockets {
  readonly #netns: Netns | undefined
  readonly #settings: SocketSettings
  readonly #log: TunnelLog

  constructor(netns: Netns | undefined, settings: SocketSettings, log: TunnelLog) {
    this.#netns = netns
    this.#settings = settings
    this.#log = log
  }

  /** Connections come paused, so that what the client already sent stays in the kernel until it is wanted. */
  async listen(role: ListenerRole, { ip, port }: Endpoint): Promise<BoundListener> {
    const { listenerMark, reusePort, originalSource } = this.#settings
    try {
      const { fd, transparent } = listenTcp(this.#netns, {
        ip,
        port,
        mark: listenerMark,
        reusePort,
        transparent: originalSource,
        backlog: BACKLOG,
        // The peer of a tunnel is watched by PINGs instead.
        ...(role === 'inbound-hbone' ? {} : this.#deadPeer()),
        onWarning: warning => this.#log.warn(warning.message)
      })
      const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        // Node calls listen(2) again; inside the object it would not look for the backlog.
        server.listen({ fd }, BACKLOG, resolve)
      })
      // Running out of descriptors must not end the process; the next accept tries again.
      server.on('error', error => this.#log.warn(`accept on ${ip} port ${port} failed: ${error.message}`))
      const bound = server.address() as net.AddressInfo
      return { role, server, transparent, address: { ip: bound.address, port: bound.port } }
    } catch (error) {
      const address = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
      throw new TunnelError('TUNNEL_BIND', `failed to bind to address ${address}: ${osErrorText(error)}`, {
        cause: error
      })
    }
  }

  connect(
    to: Endpoint,
    options: { readonly from?: string | undefined; readonly signal?: AbortSignal | undefined }
  ): Promise<net.Socket> {
    const { mark, connectTimeout } = this.#settings
    return connectTcp(this.#netns, to, {
      mark,
      timeout: connectTimeout,
      allowHalfOpen: true,
      onWarning: warning => this.#log.warn(warning.message),
      ...this.#deadPeer(),
      ...(options.from === undefined ? {} : { from: options.from }),
      ...(options.signal === undefined ? {} : { signal: options.signal })
    })
  }

  #deadPeer(): DeadPeerOptions {
    const { keepalive, userTimeout } = this.#settings
    return keepalive === undefined ? {} : { keepalive, userTimeout }
  }
}

import fs from 'node:fs'
import {
  connectSeqpacket,
  isNetworkNamespace,
  type Netns,
  NetnsError,
  netnsFromFd,
  type SeqpacketPacket,
  type SeqpacketSocket
} from '@culvert/netns'
import { type Backoff, connectBackoff, createHelloBackoff } from './backoff.ts'
import { type Clock, sleep, systemClock } from '@culvert/clock'
import { reasonOf, ZdsError } from './errors.ts'
import type { ZdsLog } from './log.ts'
import { encodeHello, encodeResponse, maxPacketBytes, type WorkloadInfo, zdsVersion } from './messages.ts'
import { type ReceivedRequest, readRequest } from './read-request.ts'

/** What happens to the pods; `createPodSet` is the one ztunnel uses. */
export interface ZdsHandler {
  /** A connection stands; the snapshot follows. */
  connected(): void
  /** The connection of the last `connected` is gone. */
  disconnected(): void
  /**
   * Starts or keeps the pod's proxy. The handle belongs to the handler, also if it throws. A throw is answered with a
   * nack "failure to start proxy", except a ZdsError with the code ZDS_PROTOCOL: that ends the connection and is fatal.
   */
  add(uid: string, info: WorkloadInfo, netns: Netns): Promise<void>
  keep(uid: string): Promise<void>
  delete(uid: string): Promise<void>
  snapshotSent(): Promise<void>
}

export interface ZdsClientOptions {
  readonly path: string
  readonly handler: ZdsHandler
  /**
   * The peer speaks another version of the protocol, which no new connection cures: ztunnel exits with status 1. The
   * nack has been sent; the client has stopped.
   */
  readonly onFatal: (error: ZdsError) => void
  readonly log: ZdsLog
  readonly clock?: Clock
  /** 0 up to 1, for the jitter. */
  readonly random?: () => number
}

/** ztunnel's end of ZDS (docs/spec/zds.md 3). */
export interface ZdsClient {
  /** Connects, and reconnects for as long as it is not stopped. Not before XDS is in sync: that is up to the caller. */
  start(options?: { signal?: AbortSignal }): void
  /** Closes the connection at once, unread requests and all; resolves when the last handler call has returned. */
  stop(): Promise<void>
  /** ztunnel became ready: reconnecting starts over with short waits. */
  becameReady(): void
}

export function createZdsClient(options: ZdsClientOptions): ZdsClient {
  return new Client(options)
}

class Client implements ZdsClient {
  readonly #options: ZdsClientOptions
  readonly #clock: Clock
  readonly #helloBackoff: Backoff & { becameReady(): void }
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #socket: SeqpacketSocket | undefined

  constructor(options: ZdsClientOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#helloBackoff = createHelloBackoff(options.random ?? Math.random)
  }

  start(options: { signal?: AbortSignal } = {}): void {
    if (options.signal?.aborted) return
    options.signal?.addEventListener('abort', () => void this.stop(), { once: true })
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#socket?.close()
    await this.#running
  }

  becameReady(): void {
    this.#helloBackoff.becameReady()
  }

  async #run(): Promise<void> {
    const { handler, log, path, onFatal } = this.#options
    while (!this.#stopping.signal.aborted) {
      const socket = await this.#connect()
      if (socket === undefined) return
      this.#socket = socket
      try {
        await socket.send(encodeHello(zdsVersion))
      } catch (error) {
        socket.close()
        if (this.#stopping.signal.aborted) return
        const wait = this.#helloBackoff.next()
        log.error('cannot greet the node agent', { path, error: reasonOf(error), retry_ms: wait })
        await sleep(wait, { clock: this.#clock, signal: this.#stopping.signal })
        continue
      }
      log.info('connected to the node agent', { path })
      handler.connected()
      let fatal: ZdsError | undefined
      try {
        fatal = await this.#serve(socket)
      } catch (error) {
        if (!this.#stopping.signal.aborted) log.warn('lost the node agent', { path, reason: reasonOf(error) })
      } finally {
        socket.close()
        handler.disconnected()
      }
      if (fatal !== undefined) {
        this.#stopping.abort()
        onFatal(fatal)
      }
    }
  }

  /** Tries until somebody listens; undefined: stopped. */
  async #connect(): Promise<SeqpacketSocket | undefined> {
    const { log, path } = this.#options
    const backoff = connectBackoff()
    for (;;) {
      try {
        const socket = await connectSeqpacket(path)
        if (!this.#stopping.signal.aborted) return socket
        socket.close()
        return undefined
      } catch (error) {
        const wait = backoff.next()
        log.warn('cannot connect to the node agent', { path, error: reasonOf(error), retry_ms: wait })
        await sleep(wait, { clock: this.#clock, signal: this.#stopping.signal })
        if (this.#stopping.signal.aborted) return undefined
      }
    }
  }

  /** Answers request after request. Returns a protocol error; throws what only ends the connection. */
  async #serve(socket: SeqpacketSocket): Promise<ZdsError | undefined> {
    for (;;) {
      const packet = await socket.receive({ maxBytes: maxPacketBytes, maxFds: 1 })
      if (packet === undefined) throw new ZdsError('ZDS_CLOSED', 'the node agent closed the connection')
      const received = await this.#read(socket, packet)
      let nack: string | undefined
      try {
        await this.#dispatch(received)
      } catch (error) {
        if (error instanceof ZdsError && error.code === 'ZDS_PROTOCOL') {
          await socket.send(
            encodeResponse(`failure to process message : ProtocolError(${JSON.stringify(error.message)})`)
          )
          return error
        }
        nack = `failure to start proxy : ${reasonOf(error)}`
        this.#options.log.error('cannot start the proxy of a pod', { error: reasonOf(error) })
      }
      await socket.send(encodeResponse(nack))
    }
  }

  async #read(socket: SeqpacketSocket, packet: SeqpacketPacket): Promise<ReceivedRequest> {
    try {
      const received = readRequest(packet)
      if (packet.hadControl && packet.fds.length === 0) {
        this.#options.log.debug('ignored control data that is no descriptor')
      }
      return received
    } catch (error) {
      await socket.send(encodeResponse(`failure to read message : ${reasonOf(error)}`))
      throw error
    }
  }

  async #dispatch(received: ReceivedRequest): Promise<void> {
    const { handler, log } = this.#options
    if (received.fd !== undefined) {
      const { uid, info } = received.request
      if (info === undefined) {
        fs.closeSync(received.fd)
        throw new ZdsError('ZDS_PROTOCOL', 'workload_info is required but not present')
      }
      if (!isNetworkNamespace(received.fd)) log.debug('the descriptor of a pod is no network namespace', { uid })
      return await handler.add(uid, info, takeNetns(received.fd))
    }
    switch (received.request.kind) {
      case 'keep':
        return await handler.keep(received.request.uid)
      case 'delete':
        return await handler.delete(received.request.uid)
      case 'snapshotSent':
        return await handler.snapshotSent()
    }
  }
}

function takeNetns(fd: number): Netns {
  try {
    return netnsFromFd(fd)
  } catch (error) {
    fs.closeSync(fd)
    throw error instanceof NetnsError ? error : new ZdsError('ZDS_TRANSPORT', reasonOf(error), { cause: error })
  }
}

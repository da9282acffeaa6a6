import { duplicateNetns, type Netns, NetnsError, type SeqpacketPacket, type SeqpacketSocket } from '@culvert/netns'
import type { Clock } from '@culvert/clock'
import { reasonOf, ZdsError } from './errors.ts'
import type { ZdsLog } from './log.ts'
import { decodeHello, decodeResponse, encodeRequest, maxPacketBytes, type ZdsRequest } from './messages.ts'
import { createRequestQueue, type QueuedRequest, type RequestQueue } from './request-queue.ts'
import type { SnapshotPod } from './server.ts'

/** Milliseconds for the hello, for a packet to be taken, and for its ack (docs/spec/zds.md 2.2). */
const deadline = 5000

export interface ServerConnection {
  /** Queues a request; resolves with the text of a nack, or undefined for success. */
  request(request: ZdsRequest, netns: Netns | undefined, signal?: AbortSignal): Promise<string | undefined>
  close(): void
  /** Resolves when the connection is over, whoever ended it; never rejects. */
  readonly ended: Promise<void>
}

interface ConnectionOptions {
  readonly id: string
  readonly socket: SeqpacketSocket
  readonly snapshot: () => readonly SnapshotPod[]
  readonly log: ZdsLog
  readonly clock: Clock
}

export function serveConnection(options: ConnectionOptions): ServerConnection {
  return new Connection(options)
}

class Connection implements ServerConnection {
  readonly ended: Promise<void>
  readonly #options: ConnectionOptions
  readonly #socket: SeqpacketSocket
  readonly #queue: RequestQueue
  /** Wakes the idle connection. */
  #wake: () => void = () => {}
  /** Acks that requests of the past have not waited for; the next that many packets are not an answer to anything. */
  #lateAcks = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#socket = options.socket
    this.#queue = createRequestQueue(() => this.#wake())
    this.ended = this.#run()
  }

  request(request: ZdsRequest, netns: Netns | undefined, signal?: AbortSignal): Promise<string | undefined> {
    // A handle of our own: the request may outlive its caller, and the pod's entry in the cache.
    const own = netns === undefined ? undefined : duplicateNetns(netns)
    return this.#queue.push({ request, fd: own?.fd, release: () => own?.close() }, signal)
  }

  close(): void {
    this.#socket.close()
  }

  async #run(): Promise<void> {
    const { id, log } = this.#options
    try {
      log.info('ztunnel connected', { conn_uuid: id })
      await this.#readHello()
      await this.#sendSnapshot()
      for (;;) {
        const entry = this.#queue.shift()
        if (entry !== undefined) await this.#answer(entry)
        else await this.#idle()
      }
    } catch (error) {
      log.info('ztunnel disconnected', { conn_uuid: id, reason: reasonOf(error) })
    } finally {
      this.#socket.close()
      this.#queue.end()
    }
  }

  async #readHello(): Promise<void> {
    const packet = await this.#receive('hello')
    // No negotiation: whatever version it is, the peer gets ours.
    const version = decodeHello(packet.bytes)
    this.#options.log.debug('ztunnel said hello', { conn_uuid: this.#options.id, version })
  }

  async #sendSnapshot(): Promise<void> {
    const { id, log } = this.#options
    // Handles of our own, all taken now: sending takes a while, and the cache goes on changing.
    const pods = this.#options.snapshot().map(pod => ({ ...pod, netns: this.#duplicate(pod) }))
    try {
      for (const { uid, info, netns } of pods) {
        const nack =
          netns === undefined
            ? await this.#exchange({ kind: 'keep', uid }, undefined)
            : await this.#exchange({ kind: 'add', uid, info }, netns.fd)
        netns?.close()
        if (nack !== undefined) log.error('ztunnel refused a pod of the snapshot', { conn_uuid: id, uid, error: nack })
      }
      const nack = await this.#exchange({ kind: 'snapshotSent' }, undefined)
      if (nack !== undefined) log.error('ztunnel refused the snapshot', { conn_uuid: id, error: nack })
    } finally {
      for (const { netns } of pods) netns?.close()
    }
  }

  /** A pod that is being removed at this very moment may have lost its handle: its delete comes right behind. */
  #duplicate(pod: SnapshotPod): Netns | undefined {
    try {
      return pod.netns && duplicateNetns(pod.netns)
    } catch (error) {
      this.#options.log.warn('a pod of the snapshot lost its network namespace', {
        uid: pod.uid,
        error: reasonOf(error)
      })
      return undefined
    }
  }

  /** One queued request. Ends the connection only when the peer is known to be gone. */
  async #answer(entry: QueuedRequest): Promise<void> {
    try {
      entry.resolve(await this.#exchange(entry.request, entry.fd))
    } catch (error) {
      const failure =
        error instanceof ZdsError ? error : new ZdsError('ZDS_TRANSPORT', reasonOf(error), { cause: error })
      entry.reject(failure)
      const brokenPipe = failure.cause instanceof NetnsError && failure.cause.code === 'EPIPE'
      if (brokenPipe || this.#socket.closed) throw failure
    } finally {
      entry.release()
    }
  }

  /**
   * Until something is queued. A ztunnel sends nothing unasked, so whatever arrives meanwhile ends the connection: the
   * end of the stream, and also a well-formed message, such as an ack that its request no longer waited for.
   */
  async #idle(): Promise<void> {
    const wake = new AbortController()
    this.#wake = () => wake.abort()
    let packet: SeqpacketPacket | undefined
    try {
      packet = await this.#socket.receive({ maxBytes: maxPacketBytes, maxFds: 0, signal: wake.signal })
    } catch (error) {
      if (error instanceof NetnsError && error.code === 'NETNS_ABORTED') return
      throw error
    } finally {
      this.#wake = () => {}
    }
    if (packet === undefined) throw new ZdsError('ZDS_CLOSED', 'ztunnel closed the connection')
    throw new ZdsError('ZDS_PROTOCOL', 'ztunnel sent a message that answers nothing')
  }

  /** Strictly one outstanding request: an ack carries no id, it answers whatever was sent last. */
  async #exchange(request: ZdsRequest, fd: number | undefined): Promise<string | undefined> {
    await this.#send(encodeRequest(request), fd)
    this.#lateAcks++
    for (;;) {
      const packet = await this.#receive('ack')
      this.#lateAcks--
      // Upstream takes a late ack for the answer to the next request, and may so call a pod captured that is not.
      if (this.#lateAcks === 0) return decodeResponse(packet.bytes)
    }
  }

  async #send(bytes: Uint8Array, fd: number | undefined): Promise<void> {
    const limit = this.#startDeadline()
    try {
      await this.#socket.send(bytes, fd === undefined ? [] : [fd], { signal: limit.signal })
    } catch (error) {
      throw limit.signal.aborted
        ? new ZdsError('ZDS_TIMEOUT', `ztunnel took no packet for ${deadline} ms`, { cause: error })
        : new ZdsError('ZDS_TRANSPORT', `cannot write to ztunnel: ${reasonOf(error)}`, { cause: error })
    } finally {
      limit.stop()
    }
  }

  async #receive(what: 'hello' | 'ack'): Promise<SeqpacketPacket> {
    const limit = this.#startDeadline()
    let packet: SeqpacketPacket | undefined
    try {
      packet = await this.#socket.receive({ maxBytes: maxPacketBytes, maxFds: 0, signal: limit.signal })
    } catch (error) {
      throw limit.signal.aborted
        ? new ZdsError('ZDS_TIMEOUT', `no ${what} from ztunnel within ${deadline} ms`, { cause: error })
        : new ZdsError('ZDS_TRANSPORT', `cannot read from ztunnel: ${reasonOf(error)}`, { cause: error })
    } finally {
      limit.stop()
    }
    if (packet === undefined) throw new ZdsError('ZDS_CLOSED', `ztunnel closed the connection before its ${what}`)
    if (packet.truncated) throw new ZdsError('ZDS_BAD_PACKET', `a ${what} of more than ${maxPacketBytes} bytes`)
    return packet
  }

  #startDeadline(): { signal: AbortSignal; stop: () => void } {
    const abort = new AbortController()
    return { signal: abort.signal, stop: this.#options.clock.after(deadline, () => abort.abort()) }
  }
}

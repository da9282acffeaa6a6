import fs from 'node:fs'
import * as native from '@culvert/native-netns'
import { NetnsError, systemError } from './errors.ts'

/** One packet, and the descriptors that came with it: they belong to the receiver, who must close them. */
export interface SeqpacketPacket {
  bytes: Buffer
  fds: number[]
  /** The packet was longer than `maxBytes`; the rest is lost. */
  truncated: boolean
  /** More control data than fits `maxFds` descriptors; the kernel dropped some. */
  controlTruncated: boolean
  /** Control data of whatever kind came along. */
  hadControl: boolean
}

export interface SeqpacketSocket {
  /**
   * Sends one packet. The descriptors must stay open until the promise settles. Once aborted, a packet that has not
   * been sent never will be.
   */
  send(bytes: Uint8Array, fds?: readonly number[], options?: { signal?: AbortSignal }): Promise<void>
  /** The next packet; undefined at the end of the stream. One call at a time. */
  receive(options: { maxBytes: number; maxFds: number; signal?: AbortSignal }): Promise<SeqpacketPacket | undefined>
  /** Repeatable. What is waiting rejects with NETNS_CLOSED. */
  close(): void
  readonly closed: boolean
}

/** Connects to a listening socket file. */
export async function connectSeqpacket(path: string): Promise<SeqpacketSocket> {
  const fd = native.socket(-1, native.constants.AF_UNIX, native.constants.SOCK_SEQPACKET)
  try {
    // A unix connect is done or refused at once; EAGAIN means the listener's backlog is full.
    native.connectUnix(fd, path)
  } catch (error) {
    fs.closeSync(fd)
    throw systemError(`connect to '${path}'`, error)
  }
  return seqpacketFromFd(fd)
}

interface Waiter {
  wake: () => void
  fail: (error: Error) => void
}

/** Takes ownership of a connected, non-blocking SEQPACKET descriptor. */
export function seqpacketFromFd(fd: number): SeqpacketSocket {
  try {
    return new Connection(fd)
  } catch (error) {
    fs.closeSync(fd)
    throw systemError('watch a socket', error)
  }
}

class Connection implements SeqpacketSocket {
  readonly #fd: number
  readonly #poll: native.Poll
  #readable: Waiter | undefined
  #writable: Waiter | undefined
  #receiving = false
  /** Sends go out in call order, also when one of them has to wait. */
  #lastSend: Promise<void> = Promise.resolve()
  #closed = false

  constructor(fd: number) {
    this.#fd = fd
    this.#poll = new native.Poll(fd, events => this.#ready(events))
  }

  get closed(): boolean {
    return this.#closed
  }

  send(bytes: Uint8Array, fds: readonly number[] = [], options: { signal?: AbortSignal } = {}): Promise<void> {
    const sent = this.#lastSend.then(() => this.#send(bytes, fds, options.signal))
    this.#lastSend = sent.catch(() => {})
    return sent
  }

  async receive(options: {
    maxBytes: number
    maxFds: number
    signal?: AbortSignal
  }): Promise<SeqpacketPacket | undefined> {
    if (this.#receiving) throw new NetnsError('NETNS_BUSY', 'another receive of this socket is under way')
    this.#receiving = true
    try {
      return await this.#receive(options)
    } finally {
      this.#receiving = false
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#poll.close()
    fs.closeSync(this.#fd)
    const waiters = [this.#readable, this.#writable]
    this.#readable = undefined
    this.#writable = undefined
    for (const waiter of waiters) waiter?.fail(closedError())
  }

  async #send(bytes: Uint8Array, fds: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    // An empty packet reads as the end of the stream: refuse it where the mistake is made.
    if (bytes.length === 0) throw new NetnsError('NETNS_EMPTY_PACKET', 'an empty packet would look like a disconnect')
    for (;;) {
      if (this.#closed) throw closedError()
      if (signal?.aborted) throw abortedError('the packet was given up', signal)
      try {
        if (native.sendMessage(this.#fd, bytes, fds)) return
      } catch (error) {
        throw systemError('send a packet', error)
      }
      await this.#wait('writable', signal)
    }
  }

  async #receive(options: {
    maxBytes: number
    maxFds: number
    signal?: AbortSignal
  }): Promise<SeqpacketPacket | undefined> {
    for (;;) {
      if (this.#closed) throw closedError()
      let message: native.Message | undefined
      try {
        message = native.receiveMessage(this.#fd, options.maxBytes, options.maxFds)
      } catch (error) {
        // A peer that closed with packets of ours unread resets the connection; for a reader it has ended.
        if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return undefined
        throw systemError('receive a packet', error)
      }
      if (message === undefined) {
        await this.#wait('readable', options.signal)
        continue
      }
      if (message.bytes.length > 0) return message
      // The end, or an empty packet, which cannot be told from it.
      for (const fd of message.fds) fs.closeSync(fd)
      return undefined
    }
  }

  #wait(what: 'readable' | 'writable', signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        if (what === 'readable') this.#readable = undefined
        else this.#writable = undefined
        signal?.removeEventListener('abort', onAbort)
        if (!this.#closed) this.#watch()
      }
      const onAbort = (): void => {
        settle()
        reject(abortedError('the wait for the socket was given up', signal!))
      }
      if (signal?.aborted) {
        onAbort()
        return
      }
      const waiter: Waiter = {
        wake: () => {
          settle()
          resolve()
        },
        fail: error => {
          settle()
          reject(error)
        }
      }
      if (what === 'readable') this.#readable = waiter
      else this.#writable = waiter
      signal?.addEventListener('abort', onAbort)
      this.#watch()
    })
  }

  /** Only what somebody waits for is polled: an unread packet stays in the kernel and holds the sender back. */
  #watch(): void {
    this.#poll.set((this.#readable ? native.READABLE : 0) | (this.#writable ? native.WRITABLE : 0))
  }

  #ready(events: number): void {
    const readable = this.#readable
    const writable = this.#writable
    if (events & native.READABLE) readable?.wake()
    if (events & native.WRITABLE) writable?.wake()
  }
}

function closedError(): NetnsError {
  return new NetnsError('NETNS_CLOSED', 'the socket was closed')
}

function abortedError(message: string, signal: AbortSignal): NetnsError {
  return new NetnsError('NETNS_ABORTED', message, { cause: signal.reason })
}

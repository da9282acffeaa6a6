import fs from 'node:fs'
import * as native from '@culvert/native-netns'
import { type NetnsError, systemError } from './errors.ts'
import { type SeqpacketSocket, seqpacketFromFd } from './seqpacket-socket.ts'

export interface SeqpacketListenOptions {
  onConnection: (socket: SeqpacketSocket) => void
  /** accept(2) failed, for instance for want of descriptors. The listener goes on after a pause. */
  onError?: (error: NetnsError) => void
  /** Bound, so that clients can connect and wait, but nothing is accepted until `resume`. */
  paused?: boolean
}

export interface SeqpacketListener {
  readonly path: string
  pause(): void
  resume(): void
  /** Repeatable. Removes the file, unless somebody else put theirs there in the meantime. */
  close(): void
}

/** Milliseconds without accepting after accept(2) failed: the poll is level-triggered and would spin. */
const pauseAfterError = 100

/** Listens at `path`, deleting an old file there first. Neither creates the directory nor sets a file mode. */
export function listenSeqpacket(path: string, options: SeqpacketListenOptions): SeqpacketListener {
  const fd = native.socket(-1, native.constants.AF_UNIX, native.constants.SOCK_SEQPACKET)
  try {
    fs.rmSync(path, { force: true })
    native.bindUnix(fd, path)
    native.listen(fd, 128)
    return new Listener(fd, path, options)
  } catch (error) {
    fs.closeSync(fd)
    throw systemError(`listen at '${path}'`, error)
  }
}

class Listener implements SeqpacketListener {
  readonly path: string
  readonly #fd: number
  readonly #inode: bigint
  readonly #options: SeqpacketListenOptions
  readonly #poll: native.Poll
  #paused: boolean
  #closed = false
  #retry: NodeJS.Timeout | undefined

  constructor(fd: number, path: string, options: SeqpacketListenOptions) {
    this.#fd = fd
    this.path = path
    this.#options = options
    this.#paused = options.paused ?? false
    this.#inode = fs.lstatSync(path, { bigint: true }).ino
    this.#poll = new native.Poll(fd, () => this.#accept())
    this.#watch()
  }

  pause(): void {
    this.#paused = true
    this.#watch()
  }

  resume(): void {
    this.#paused = false
    this.#watch()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#retry)
    this.#poll.close()
    if (fs.lstatSync(this.path, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode) {
      fs.rmSync(this.path, { force: true })
    }
    fs.closeSync(this.#fd)
  }

  /** One connection per event, so that a handler that pauses gets no second one. */
  #accept(): void {
    let socket: SeqpacketSocket | undefined
    try {
      const fd = native.accept(this.#fd)
      if (fd >= 0) socket = seqpacketFromFd(fd)
    } catch (error) {
      this.#poll.set(0)
      this.#retry = setTimeout(() => {
        this.#retry = undefined
        this.#watch()
      }, pauseAfterError)
      this.#options.onError?.(systemError(`accept at '${this.path}'`, error))
      return
    }
    if (socket !== undefined) this.#options.onConnection(socket)
  }

  #watch(): void {
    if (this.#closed || this.#retry !== undefined) return
    this.#poll.set(this.#paused ? 0 : native.READABLE)
  }
}

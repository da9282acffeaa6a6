import type net from 'node:net'
import type { DnsProxy } from './proxy.ts'
import { createFrameReader, frame } from './tcp-frames.ts'

export interface TcpConnection {
  /** Ends it as soon as nothing is being answered. */
  readonly drain: () => void
}

export interface TcpConnectionOptions {
  readonly proxy: DnsProxy
  /** A question that made the proxy fail: the connection is closed. */
  readonly onError: (error: unknown) => void
  /** Calls off what is being answered. */
  readonly signal: AbortSignal
}

/** Milliseconds for the next request to be there as a whole, and for a reply to be taken; then the connection is closed. */
const idleTime = 5_000

/** Requests of one connection one after another; nothing is read while one is being answered. */
export function serveConnection(socket: net.Socket, { proxy, onError, signal }: TcpConnectionOptions): TcpConnection {
  const frames = createFrameReader()
  const waiting: Buffer[] = []
  let busy = false
  let draining = false
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
      await drained(socket)
      clearTimeout(deadline)
      if (socket.destroyed) return
    }
    busy = false
    expect()
    if (draining) socket.end(() => socket.destroy())
    else socket.resume()
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
  return {
    drain: () => {
      draining = true
      if (!busy) socket.destroy()
    }
  }
}

/** Or closed. Leaves no listener behind: a connection may have any number of replies. */
function drained(socket: net.Socket): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

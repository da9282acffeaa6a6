import type net from 'node:net'
import { connectTcp, type Netns } from '@culvert/netns'
import { BenchError } from '../errors.ts'

/** Connections that stay, each of which has carried a request and its answer. */
export interface OpenConnections extends Disposable {
  /** Opens more until there are so many. */
  grow(count: number): Promise<void>
}

const concurrent = 64
const timeoutMs = 10_000

/** From inside `netns` to an HTTP server. */
export function openConnections(netns: Netns, to: { ip: string; port: number }): OpenConnections {
  const sockets: net.Socket[] = []
  return {
    grow: async count => {
      const open = async (): Promise<void> => {
        while (sockets.length < count) {
          const index = sockets.push(undefined as never) - 1 // taken, before others look
          sockets[index] = await connectAndAsk(netns, to)
        }
      }
      await Promise.all(Array.from({ length: concurrent }, open))
      const lost = sockets.filter(socket => socket.destroyed || socket.readableEnded).length
      if (lost > 0) throw new BenchError('BENCH_REFUSED', `${lost} of ${count} open connections were lost`)
    },
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket?.destroy()
    }
  }
}

async function connectAndAsk(netns: Netns, to: { ip: string; port: number }): Promise<net.Socket> {
  const socket = await connectTcp(netns, to, { timeout: timeoutMs }).catch((cause: Error) => {
    throw new BenchError('BENCH_REFUSED', `one of the connections to keep open: ${cause.message}`, { cause })
  })
  return await new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      socket.destroy()
      reject(new BenchError('BENCH_REFUSED', `one of the connections to keep open: ${reason}`))
    }
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs)
    // Later errors end it: `grow` finds it destroyed.
    socket.on('error', error => fail(error.message))
    socket.once('end', () => fail('closed'))
    socket.once('data', (data: Buffer) => {
      clearTimeout(timer)
      const status = data.subarray(0, 12).toString('latin1')
      if (status === 'HTTP/1.1 200') resolve(socket)
      else fail(`the answer starts with '${status}'`)
    })
    socket.write(`GET / HTTP/1.1\r\nHost: ${to.ip}\r\n\r\n`)
  })
}

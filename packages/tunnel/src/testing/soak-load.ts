import { createHash } from 'node:crypto'
import net from 'node:net'
import type { Endpoint } from '../data-path.ts'
import type { Random } from '@culvert/testing'

/** One piece of load over one captured connection; resolves when both ends of it are over. */
export interface Exchange {
  /** Whether everything went through as it should. Exact only when nobody disturbed the connection. */
  readonly complete: boolean
  /** Nothing came that was not sent. */
  readonly faithful: boolean
}

/** Everything the load sends is a piece of this, so that any prefix can be told from damage. */
const POOL_SIZE = 1_048_576

/** Each piece tells `alive` when bytes move. */
export class Load {
  readonly #random: Random
  readonly #pool: Buffer

  constructor(random: Random) {
    this.#random = random
    this.#pool = random.bytes(POOL_SIZE)
  }

  /** Sends so much through an application that echoes, and reads at a pace of its own. */
  async bulk(to: Endpoint, size: number, alive: () => void = () => {}): Promise<Exchange> {
    const socket = await dial(to)
    const sent = createHash('sha256')
    const received = createHash('sha256')
    let sentBytes = 0
    let receivedBytes = 0
    const slow = this.#random.chance(0.2)
    const sending = (async () => {
      while (sentBytes < size && !socket.destroyed && socket.writable) {
        const part = this.#part(Math.min(size - sentBytes, this.#random.between(1, 256 * 1024)))
        sent.update(part)
        sentBytes += part.length
        alive()
        if (!socket.write(part)) await happens(socket, 'drain')
      }
      if (!socket.destroyed) socket.end()
    })()
    await readTo(socket, async chunk => {
      alive()
      received.update(chunk)
      receivedBytes += chunk.length
      if (slow && this.#random.chance(0.05)) await pause(this.#random.between(1, 20))
    })
    socket.destroy()
    await sending
    const whole = receivedBytes === size && sentBytes === size
    return { complete: whole && sent.digest('hex') === received.digest('hex'), faithful: receivedBytes <= sentBytes }
  }

  /** So many small requests, each answered before the next. */
  async requests(to: Endpoint, count: number, alive: () => void = () => {}): Promise<Exchange> {
    const socket = await dial(to)
    let done = 0
    let faithful = true
    const chunks: Buffer[] = []
    let wanted = this.#part(this.#random.between(1, 2000))
    socket.write(wanted)
    await readTo(socket, async chunk => {
      alive()
      chunks.push(chunk)
      const have = Buffer.concat(chunks.splice(0))
      if (!have.equals(wanted.subarray(0, have.length))) faithful = false
      if (have.length < wanted.length) {
        chunks.push(have)
        return
      }
      if (++done === count) socket.end()
      else {
        wanted = this.#part(this.#random.between(1, 2000))
        socket.write(wanted)
      }
    })
    socket.destroy()
    return { complete: done === count, faithful }
  }

  /** Leaves in the middle, with a reset or with everything unread. */
  async leave(to: Endpoint): Promise<Exchange> {
    const socket = await dial(to)
    socket.write(this.#part(this.#random.between(1, 500_000)))
    if (this.#random.chance(0.5)) await Promise.race([happens(socket, 'data'), pause(50)])
    if (this.#random.chance(0.5)) socket.resetAndDestroy()
    else socket.destroy()
    return { complete: true, faithful: true }
  }

  /** Ends its own direction first; the other goes on. */
  async halfClose(to: Endpoint, alive: () => void = () => {}): Promise<Exchange> {
    const socket = await dial(to)
    const wanted = this.#part(this.#random.between(1, 200_000))
    socket.end(wanted)
    const chunks: Buffer[] = []
    await readTo(socket, async chunk => {
      alive()
      chunks.push(chunk)
    })
    socket.destroy()
    const got = Buffer.concat(chunks)
    return { complete: got.equals(wanted), faithful: got.equals(wanted.subarray(0, got.length)) }
  }

  #part(size: number): Buffer {
    const from = this.#random.between(0, POOL_SIZE - size)
    return this.#pool.subarray(from, from + size)
  }
}

async function dial(to: Endpoint): Promise<net.Socket> {
  const socket = net.connect({ host: to.ip, port: to.port, allowHalfOpen: true })
  socket.on('error', () => {})
  await happens(socket, 'connect')
  return socket
}

/** That, or the end of the connection. */
function happens(socket: net.Socket, event: 'connect' | 'data' | 'drain'): Promise<void> {
  if (socket.destroyed) return Promise.resolve()
  return new Promise(resolve => {
    socket.once(event, () => resolve())
    socket.once('close', () => resolve())
  })
}

/** To the end, or to a reset. */
async function readTo(socket: net.Socket, onChunk: (chunk: Buffer) => Promise<void>): Promise<void> {
  try {
    for await (const chunk of socket) await onChunk(chunk as Buffer)
  } catch {
    // A reset: the caller sees what is missing.
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}

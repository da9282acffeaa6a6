import { once } from 'node:events'
import net from 'node:net'
import type { Endpoint } from '../data-path.ts'
import type { TestMesh } from './test-mesh.ts'

/** What becomes of one connection through the relay. Bytes are counted in each direction by itself. */
export interface Roughness {
  /** So many bytes of this direction pass, then both sides lose their connection. */
  readonly cut?: { readonly direction: Direction; readonly after: number; readonly how: 'reset' | 'end' }
  /** How many of the next bytes to pass on at once; all of them without this. */
  readonly piece?: () => number
}

export type Direction = 'to-server' | 'to-client'

export interface RoughRelay {
  readonly address: Endpoint
  /** Bytes of the last connection in each direction. */
  readonly passed: Record<Direction, number>
  /** Ends them, as a cut does. */
  cutAll: () => void
  /** When each connection of now has ended at both sides, and nothing of it is on its way any more. */
  ended: () => Promise<unknown>
}

/** A wire between two pods that may do to a connection what networks do. */
export async function roughRelay(mesh: TestMesh, to: () => Endpoint, roughness: () => Roughness): Promise<RoughRelay> {
  const passed = { 'to-server': 0, 'to-client': 0 }
  const pairs = new Map<() => void, Promise<unknown>>()
  const server = net.createServer({ allowHalfOpen: true }, client => {
    const rough = roughness()
    passed['to-server'] = passed['to-client'] = 0
    const target = net.connect({ host: to().ip, port: to().port, allowHalfOpen: true })
    const cut = (how: 'reset' | 'end' = 'reset'): void => {
      for (const socket of [client, target]) {
        // A reset behind an end leaves Node's socket neither open nor closed.
        if (how === 'reset' && !socket.writableEnded) socket.resetAndDestroy()
        else if (how === 'reset') socket.destroy()
        else {
          // What was passed on still arrives.
          socket.destroySoon()
        }
      }
    }
    const closed = [client, target].map(socket => new Promise(resolve => socket.once('close', resolve)))
    pairs.set(
      cut,
      Promise.all(closed).then(() => pairs.delete(cut))
    )
    const wire = (from: net.Socket, into: net.Socket, direction: Direction): void => {
      from.setNoDelay()
      from.on('error', () => cut())
      void passOn(from, into, bytes => {
        passed[direction] += bytes
      }).catch(() => cut())
      async function passOn(source: net.Socket, sink: net.Socket, count: (bytes: number) => void): Promise<void> {
        let sum = 0
        for await (const chunk of source as AsyncIterable<Buffer>) {
          for (let rest = chunk; rest.length > 0; ) {
            let size = Math.min(rest.length, Math.max(1, rough.piece?.() ?? rest.length))
            const limit = rough.cut?.direction === direction ? rough.cut.after - sum : Number.POSITIVE_INFINITY
            size = Math.min(size, limit)
            sum += size
            count(size)
            const whole = size === 0 || sink.write(rest.subarray(0, size))
            if (size === limit) return cut(rough.cut?.how)
            rest = rest.subarray(size)
            if (!whole) await Promise.race([once(sink, 'drain'), once(sink, 'close')])
            // Each piece by itself.
            else if (rough.piece !== undefined) await new Promise(resolve => setImmediate(resolve))
          }
        }
        sink.end()
      }
    }
    wire(client, target, 'to-server')
    wire(target, client, 'to-client')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cutAll = (): void => {
    for (const cut of pairs.keys()) cut()
  }
  mesh.onCleanup(() => {
    cutAll()
    server.close()
  })
  return {
    address: { ip: '127.0.0.1', port: (server.address() as net.AddressInfo).port },
    passed,
    cutAll,
    ended: () => Promise.all(pairs.values())
  }
}

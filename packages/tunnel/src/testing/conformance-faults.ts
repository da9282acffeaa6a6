import { describe, expect, it } from 'vitest'
import type { ConnectionDecision, StreamDecision } from '../data-path.ts'
import { type Random, seededRandom } from '@culvert/testing'
import { type Direction, type Roughness, roughRelay } from './rough-relay.ts'
import { Load, pause } from './soak-load.ts'
import { direct, echo, readAll, type TestMesh } from './test-mesh.ts'

const EVERY = process.env.CULVERT_FAULTS === 'all'
/** Of the thousands of places where a connection can break; all of them with CULVERT_FAULTS=all. */
const CUTS = 40
const MINUTES = 60_000

/** What networks, applications and a busy decision thread do to connections. */
export function faultsConformance(createMesh: () => TestMesh): void {
  const random = seededRandom('faults')

  describe('a tunnel that is lost at any octet of its handshakes and its frames', () => {
    it.each<{ readonly direction: Direction; readonly how: 'reset' | 'end' }>([
      { direction: 'to-server', how: 'reset' },
      { direction: 'to-server', how: 'end' },
      { direction: 'to-client', how: 'reset' },
      { direction: 'to-client', how: 'end' }
    ])(
      '$direction, by $how: both pods tell of an outcome, what came is what was sent, the next is whole',
      async ({ direction, how }) => {
        await using mesh = createMesh()
        await using lossy = await Lossy.open(mesh, random)
        const total = await lossy.whole(direction)
        expect(total).toBeGreaterThan(3000)
        for (const after of places(random, total)) await lossy.cutAt({ direction, after, how })
        await lossy.whole(direction)
      },
      60 * MINUTES
    )
  })

  it.each([
    { wire: 'octet by octet', piece: () => 1, size: 3000 },
    { wire: 'in pieces of any size', piece: () => random.between(1, 5000), size: 1_000_000 }
  ])(
    'carries bytes over a wire that delivers $wire',
    async ({ piece, size }) => {
      await using mesh = createMesh()
      const application = await mesh.application(echo)
      const server = await mesh.server()
      const relay = await roughRelay(
        mesh,
        () => server.address('inbound-hbone'),
        () => ({ piece })
      )
      const client = await mesh.client(() => relay.address, application)
      expect(await new Load(random).bulk(client.address('outbound'), size)).toEqual({ complete: true, faithful: true })
      expect((await client.outcome()).failure).toBeUndefined()
    },
    MINUTES
  )

  it(
    'carries bytes through windows that fill and empty at random',
    async () => {
      await using mesh = createMesh()
      const application = await mesh.application(async socket => {
        for await (const chunk of socket) {
          if (random.chance(0.1)) await pause(random.between(1, 10))
          socket.write(chunk)
        }
        socket.end()
      })
      const http2 = { streamWindow: 65_535, connectionWindow: 100_000, maxFrameSize: 16_384 }
      const server = await mesh.server({ http2 })
      const client = await mesh.client(() => server.address('inbound-hbone'), application, { http2 })
      const load = new Load(random)
      const sizes = Array.from({ length: 8 }, () => random.between(1, 1_000_000))
      const results = await Promise.all(sizes.map(size => load.bulk(client.address('outbound'), size)))
      expect(results.every(({ complete }) => complete)).toBe(true)
      await client.outcome(7)
      await server.outcome(7)
      expect([...client.outcomes, ...server.outcomes].filter(({ failure }) => failure !== undefined)).toEqual([])
    },
    MINUTES
  )

  it(
    'closes over questions that are never answered',
    async () => {
      await using mesh = createMesh()
      const application = await mesh.application(echo)
      const never = (): Promise<never> => new Promise(() => {})
      const server = await mesh.server({ stream: never })
      const client = await mesh.client(() => server.address('inbound-hbone'), application)
      const mute = await mesh.pod({ connection: never, credential: mesh.identities.stock })
      const sockets = []
      for (let count = 0; count < 10; count++) {
        sockets.push(await mesh.connect(client.address('outbound')), await mesh.connect(mute.address('outbound')))
      }
      await server.until(() => server.streams.length === 10)
      await mute.until(() => mute.captured.length === 10)
      for (const socket of sockets.slice(0, 10)) socket.destroy()
      await client.path.close()
      await server.path.close()
      await mute.path.close()
      await Promise.all(sockets.slice(10).map(readAll))
      expect(client.outcomes).toHaveLength(10)
      expect(server.tunnelsOpen).toBe(0)
    },
    MINUTES
  )
}

/** Not of @culvert/hbone, which hears nothing of some who leave early. */
export function lateAnswersConformance(createMesh: () => TestMesh): void {
  const random = seededRandom('late answers')

  it(
    'takes answers that come late, or after their connection has gone',
    async () => {
      await using mesh = createMesh()
      const application = await mesh.application(echo)
      const sometime = (): Promise<void> => pause(random.between(0, 20))
      const server = await mesh.server({
        stream: async (): Promise<StreamDecision> => {
          await sometime()
          return random.chance(0.3) ? { kind: 'answer', status: 401 } : direct(application)
        }
      })
      const client = await mesh.pod({
        connection: async (): Promise<ConnectionDecision> => {
          await sometime()
          return random.chance(0.2) ? { kind: 'refuse' } : mesh.tunnel(server.address('inbound-hbone'), application)
        }
      })
      const count = 200
      await Promise.all(
        Array.from({ length: count }, async () => {
          const socket = await mesh.connect(client.address('outbound'))
          socket.write('x')
          await sometime()
          if (random.chance(0.5)) socket.resetAndDestroy()
          else socket.destroy()
        })
      )
      await client.outcome(count - 1)
      await server.until(() => server.outcomes.length === server.streams.length)
      const socket = await mesh.connect(client.address('outbound'))
      socket.destroy()
      await client.outcome(count)
      expect(client.outcomes).toHaveLength(count + 1)
      expect(new Set(client.outcomes.map(({ id }) => id)).size).toBe(count + 1)
    },
    MINUTES
  )
}

function places(random: Random, total: number): number[] {
  // A few more than there were: the length of a signature differs.
  const all = Array.from({ length: total + 4 }, (_, after) => after)
  if (EVERY) return all
  return Array.from({ length: CUTS }, () => random.pick(all))
}

/** Two pods with a wire between them that breaks, and an application that echoes. */
class Lossy implements AsyncDisposable {
  readonly #mesh: TestMesh
  readonly #sent: Buffer
  #roughness: Roughness = {}
  #client!: Awaited<ReturnType<TestMesh['client']>>
  #server!: Awaited<ReturnType<TestMesh['server']>>
  #relay!: Awaited<ReturnType<typeof roughRelay>>

  static async open(mesh: TestMesh, random: Random): Promise<Lossy> {
    const lossy = new Lossy(mesh, random.bytes(2000))
    const application = await mesh.application(echo)
    lossy.#server = await mesh.server()
    const target = () => lossy.#server.address('inbound-hbone')
    lossy.#relay = await roughRelay(mesh, target, () => lossy.#roughness)
    lossy.#client = await mesh.client(() => lossy.#relay.address, application)
    return lossy
  }

  constructor(mesh: TestMesh, sent: Buffer) {
    this.#mesh = mesh
    this.#sent = sent
  }

  /** Octets of the wire in that direction when nothing breaks. */
  async whole(direction: Direction): Promise<number> {
    this.#roughness = {}
    const got = await this.#exchange()
    expect(got.equals(this.#sent)).toBe(true)
    const passed = this.#relay.passed[direction]
    await this.#end()
    return passed
  }

  async cutAt(cut: NonNullable<Roughness['cut']>): Promise<void> {
    this.#roughness = { cut }
    const got = await this.#exchange()
    expect(got.equals(this.#sent.subarray(0, got.length)), `cut ${JSON.stringify(cut)}`).toBe(true)
    await this.#end()
  }

  async #exchange(): Promise<Buffer> {
    const { length } = this.#client.outcomes
    const socket = await this.#mesh.connect(this.#client.address('outbound'))
    socket.end(this.#sent)
    const chunks: Buffer[] = []
    try {
      for await (const chunk of socket) chunks.push(chunk as Buffer)
    } catch {
      // A reset, after what came.
    }
    socket.destroy()
    await this.#client.outcome(length)
    return Buffer.concat(chunks)
  }

  /** Nothing of it is left on either side. */
  async #end(): Promise<void> {
    this.#relay.cutAll()
    const server = this.#server
    await server.until(() => server.tunnelsOpen === 0 && server.outcomes.length === server.streams.length)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.path.close()
    await this.#server.path.close()
  }
}

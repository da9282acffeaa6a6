import { once } from 'node:events'
import type net from 'node:net'
import tls from 'node:tls'
import type { Credential, Endpoint } from '../data-path.ts'
import {
  CODE,
  FLAG,
  type Frame,
  FrameReader,
  frame,
  fields,
  headers,
  PREFACE,
  ping,
  settings,
  settingsAck,
  statusOf,
  TYPE
} from './frames.ts'
import type { TestMesh } from './test-mesh.ts'

/** The other end of a tunnel, which sends what it is told and remembers every frame that it gets. */
export class FramePeer {
  readonly socket: tls.TLSSocket
  readonly frames: Frame[] = []
  ended = false
  /** PINGs of the other side; without answers its keepalive ends the tunnel. */
  answersPings = true
  readonly #reader = new FrameReader()
  readonly #waiters = new Set<() => void>()
  #prefaceLeft: number
  #pings = 0

  /** A server's peer says the preface before its frames. */
  constructor(socket: tls.TLSSocket, server: boolean) {
    this.socket = socket
    this.#prefaceLeft = server ? PREFACE.length : 0
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.on('data', bytes => this.#onData(bytes))
    socket.on('close', () => {
      this.ended = true
      this.#changed()
    })
  }

  send(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts))
  }

  /** Preface and SETTINGS, and what acknowledges those of the other side. */
  greet(...values: readonly (readonly [number, number])[]): void {
    this.send(PREFACE, settings(...values), settingsAck)
  }

  /** The frames of a stream, of one type if that is given. */
  of(stream: number, type?: number): Frame[] {
    return this.frames.filter(one => one.stream === stream && (type === undefined || one.type === type))
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.ended) throw new Error(`the tunnel closed; frames: ${JSON.stringify(this.frames.slice(-5))}`)
      await new Promise<void>(resolve => this.#waiters.add(resolve))
    }
  }

  async next(stream: number, type: number): Promise<Frame> {
    await this.until(() => this.of(stream, type).length > 0)
    return this.of(stream, type)[0]!
  }

  async status(stream: number): Promise<number> {
    return statusOf((await this.next(stream, TYPE.headers)).payload)
  }

  async reset(stream: number): Promise<number> {
    return (await this.next(stream, TYPE.rstStream)).payload.readUInt32BE(0)
  }

  /** Everything sent before has been acted on when its PING comes back. */
  async sync(): Promise<void> {
    const payload = `sync${String(++this.#pings).padStart(4, '0')}`
    this.send(ping(0, payload))
    await this.until(() => this.of(0, TYPE.ping).some(one => one.payload.toString() === payload))
  }

  /** The bytes of a stream's DATA frames so far. */
  text(stream: number): string {
    return Buffer.concat(this.of(stream, TYPE.data).map(({ payload }) => payload)).toString()
  }

  /** The error of the GOAWAY after which the other side closed. */
  async brokenBy(): Promise<number | undefined> {
    while (!this.ended) await new Promise<void>(resolve => this.#waiters.add(resolve))
    return this.frames.findLast(({ type }) => type === TYPE.goaway)?.payload.readUInt32BE(4)
  }

  #onData(bytes: Buffer): void {
    const skipped = Math.min(this.#prefaceLeft, bytes.length)
    this.#prefaceLeft -= skipped
    for (const one of this.#reader.push(bytes.subarray(skipped))) {
      this.frames.push(one)
      if (this.answersPings && one.type === TYPE.ping && one.flags === 0)
        this.send(frame(TYPE.ping, FLAG.ack, 0, one.payload))
    }
    this.#changed()
  }

  #changed(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }
}

/** The header block of a CONNECT to an application. */
export function connectFields(to: Endpoint): Buffer {
  return fields([':method', 'CONNECT'], [':authority', `${to.ip}:${to.port}`])
}

export function connect(stream: number, to: Endpoint, flags = 0): Buffer {
  return headers(stream, connectFields(to), flags)
}

/** A client of a pod's HBONE listener; it has said nothing yet. */
export async function frameClient(
  mesh: TestMesh,
  to: Endpoint,
  options: { readonly credential?: Credential; readonly alpn?: string[] } = {}
): Promise<FramePeer> {
  const socket = tls.connect({
    host: to.ip,
    port: to.port,
    ...material(options.credential ?? mesh.identities.cart),
    ...(options.alpn?.length === 0 ? {} : { ALPNProtocols: options.alpn ?? ['h2'] }),
    checkServerIdentity: () => undefined
  })
  mesh.onCleanup(() => socket.destroy())
  await once(socket, 'secureConnect')
  return new FramePeer(socket, false)
}

/** A server for the tunnels of a pod; `peers` are those that came, in their order. */
export async function frameServer(
  mesh: TestMesh,
  onPeer: (peer: FramePeer) => void
): Promise<{ readonly address: Endpoint; readonly peers: readonly FramePeer[]; readonly stopListening: () => void }> {
  const peers: FramePeer[] = []
  const options = { ...material(mesh.identities.stock), requestCert: true, ALPNProtocols: ['h2'] }
  const server = tls.createServer(options, socket => {
    const peer = new FramePeer(socket, true)
    peers.push(peer)
    onPeer(peer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  mesh.onCleanup(() => {
    for (const peer of peers) peer.socket.destroy()
    server.close()
  })
  const { port } = server.address() as net.AddressInfo
  return { peers, address: { ip: '127.0.0.1', port }, stopListening: () => server.close() }
}

/** SETTINGS of a server, and a 200 for every CONNECT, `:status` from the static table. */
export function answerEverybody(peer: FramePeer): void {
  peer.send(settings(), settingsAck)
  const answered = new Set<number>()
  peer.socket.on('data', () => {
    for (const { stream } of peer.frames.filter(({ type }) => type === TYPE.headers)) {
      if (answered.has(stream)) continue
      answered.add(stream)
      peer.send(headers(stream, Buffer.of(0x88)))
    }
  })
}

export function isEnd({ flags }: Frame): boolean {
  return (flags & FLAG.endStream) !== 0
}

/** The name of an error code, for tables of tests. */
export function codeName(code: number | undefined): string {
  return Object.entries(CODE).find(([, value]) => value === code)?.[0] ?? `${code}`
}

function material({ certificateChain, privateKey, roots }: Credential): { cert: string; key: string; ca: string } {
  return { cert: certificateChain, key: privateKey, ca: roots }
}

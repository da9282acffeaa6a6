import { once } from 'node:events'
import net from 'node:net'
import { Duplex } from 'node:stream'
import tls from 'node:tls'
import type { Endpoint } from '../data-path.ts'
import { type Frame, FrameReader, ping, settings, settingsAck, PREFACE, TYPE } from './frames.ts'
import { CONTENT, type Plaintext, RecordKeys } from './record-keys.ts'
import type { TestMesh } from './test-mesh.ts'

export const KEY_UPDATE: { readonly plain: Buffer; readonly requested: Buffer } = {
  plain: Buffer.of(24, 0, 0, 1, 0),
  requested: Buffer.of(24, 0, 0, 1, 1)
}

const FINISHED = 20
const SUITES = { client: 'TLS_AES_256_GCM_SHA384', server: 'TLS_AES_128_GCM_SHA256' } as const

/**
 * The other end of a TLS connection by hand: Node does the handshake, then every record is made and read here, and may
 * be anything.
 */
export class RecordPeer {
  /** Records that came after the handshake, opened. */
  readonly records: Plaintext[] = []
  readonly frames: Frame[] = []
  closed = false
  /** Called with the bytes to send, for those who want them in pieces of their own. */
  transmit: (bytes: Buffer) => void
  readonly #wire: Duplex
  readonly #server: boolean
  readonly #suite: string
  readonly #secrets = new Map<string, Buffer>()
  readonly #reader = new FrameReader()
  readonly #waiters = new Set<() => void>()
  #raw = Buffer.alloc(0)
  #handshake: RecordKeys | undefined
  #messages = Buffer.alloc(0)
  #finished = false
  #in: RecordKeys | undefined
  #out: RecordKeys | undefined
  #prefaceLeft: number
  #pings = 0

  private constructor(mesh: TestMesh, socket: net.Socket, server: boolean, suite: string) {
    this.#server = server
    this.#suite = suite
    this.#prefaceLeft = server ? PREFACE.length : 0
    this.transmit = bytes => void socket.write(bytes)
    socket.setNoDelay()
    // What Node says after the handshake (its tickets) is not passed on: the keys are ours by then.
    this.#wire = new Duplex({
      read: () => {},
      write: (chunk, _, done) => {
        if (this.#out === undefined) socket.write(chunk)
        done()
      }
    })
    const { certificateChain, privateKey, roots } = server ? mesh.identities.stock : mesh.identities.cart
    const options = { cert: certificateChain, key: privateKey, ca: roots, ciphers: suite, ALPNProtocols: ['h2'] }
    const secure = server
      ? new tls.TLSSocket(this.#wire, { ...options, isServer: true, requestCert: true })
      : tls.connect({ ...options, socket: this.#wire, checkServerIdentity: () => undefined })
    secure.on('error', () => {})
    secure.on('keylog', line => this.#onKeyLog(line.toString()))
    // Node says so before it has written its Finished.
    if (!server) secure.once('secureConnect', () => setImmediate(() => this.#takeOver()))
    socket.on('error', () => {})
    socket.on('data', bytes => this.#onBytes(bytes))
    socket.on('close', () => {
      this.closed = true
      this.#changed()
    })
    mesh.onCleanup(() => {
      socket.destroy()
      secure.destroy()
    })
  }

  /** A client of a pod's HBONE listener, with SETTINGS exchanged. */
  static async client(mesh: TestMesh, to: Endpoint, suite: string = SUITES.client): Promise<RecordPeer> {
    const socket = net.connect({ host: to.ip, port: to.port })
    const peer = new RecordPeer(mesh, socket, false, suite)
    await peer.until(() => peer.#out !== undefined)
    peer.sendData(Buffer.concat([PREFACE, settings(), settingsAck]))
    await peer.sync()
    return peer
  }

  /** A server for one tunnel of a pod, with SETTINGS exchanged when `peer` resolves. */
  static async server(
    mesh: TestMesh,
    suite: string = SUITES.server
  ): Promise<{ readonly address: Endpoint; readonly peer: Promise<RecordPeer> }> {
    const server = net.createServer()
    const peer = once(server, 'connection').then(async ([socket]: net.Socket[]) => {
      const accepted = new RecordPeer(mesh, socket!, true, suite)
      await accepted.until(() => accepted.#out !== undefined)
      accepted.sendData(Buffer.concat([settings(), settingsAck]))
      await accepted.sync()
      return accepted
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    mesh.onCleanup(() => server.close())
    return { peer, address: { ip: '127.0.0.1', port: (server.address() as net.AddressInfo).port } }
  }

  send(type: number, content: Uint8Array, padding?: number): void {
    this.transmit(this.seal(type, content, padding))
  }

  sendData(content: Uint8Array, padding?: number): void {
    this.send(CONTENT.applicationData, content, padding)
  }

  seal(type: number, content: Uint8Array, padding?: number): Buffer {
    return this.#out!.seal(type, content, padding)
  }

  sealInner(inner: Buffer): Buffer {
    return this.#out!.sealInner(inner)
  }

  updateKey(message: Buffer = KEY_UPDATE.plain): void {
    this.send(CONTENT.handshake, message)
    this.#out!.update()
  }

  /** Everything sent before has been acted on when its PING comes back. */
  async sync(): Promise<void> {
    const payload = `sync${String(++this.#pings).padStart(4, '0')}`
    this.sendData(ping(0, payload))
    await this.until(() => this.frames.some(one => one.type === TYPE.ping && one.payload.toString() === payload))
  }

  /** Of the other side's messages so far. */
  get keyUpdates(): number {
    return this.records.filter(({ type }) => type === CONTENT.handshake).length
  }

  /** Code of the alert with which the other side closed; undefined: it closed without a word. */
  async alert(): Promise<number | undefined> {
    while (!this.closed) await this.#change()
    return this.records.find(({ type }) => type === CONTENT.alert)?.content[1]
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.closed) throw new Error(`the connection closed; records: ${this.records.length}`)
      await this.#change()
    }
  }

  #change(): Promise<void> {
    return new Promise(resolve => this.#waiters.add(resolve))
  }

  #onKeyLog(line: string): void {
    const [label = '', , secret = ''] = line.trim().split(' ')
    this.#secrets.set(label, Buffer.from(secret, 'hex'))
    // A server has this one when it has read the client's Finished, and has not yet written its tickets.
    if (this.#server && label === 'CLIENT_TRAFFIC_SECRET_0') this.#takeOver()
  }

  #keys(label: string): RecordKeys {
    return new RecordKeys(this.#suite, this.#secrets.get(label)!)
  }

  #takeOver(): void {
    const [ours, theirs] = this.#server ? ['SERVER', 'CLIENT'] : ['CLIENT', 'SERVER']
    this.#in = this.#keys(`${theirs}_TRAFFIC_SECRET_0`)
    this.#out = this.#keys(`${ours}_TRAFFIC_SECRET_0`)
    setImmediate(() => this.#read())
  }

  #onBytes(bytes: Buffer): void {
    this.#raw = Buffer.concat([this.#raw, bytes])
    this.#read()
  }

  #read(): void {
    while (this.#raw.length >= 5) {
      const end = 5 + this.#raw.readUInt16BE(3)
      if (this.#raw.length < end) break
      const record = this.#raw.subarray(0, end)
      if (this.#in !== undefined) this.#onRecord(this.#in.open(record))
      else if (this.#finished) break
      else this.#passOn(record)
      this.#raw = this.#raw.subarray(end)
    }
    this.#changed()
  }

  /** A record of the handshake. Behind a client's Finished is data, for which the keys have to be there first. */
  #passOn(record: Buffer): void {
    if (this.#server && record[0] === CONTENT.applicationData) {
      this.#handshake ??= this.#keys('CLIENT_HANDSHAKE_TRAFFIC_SECRET')
      this.#finished = this.#hasFinished(this.#handshake.open(record).content)
    }
    this.#wire.push(record)
  }

  #hasFinished(part: Buffer): boolean {
    this.#messages = Buffer.concat([this.#messages, part])
    while (this.#messages.length >= 4) {
      const end = 4 + this.#messages.readUIntBE(1, 3)
      if (this.#messages.length < end) break
      if (this.#messages[0] === FINISHED) return true
      this.#messages = this.#messages.subarray(end)
    }
    return false
  }

  #onRecord(plaintext: Plaintext): void {
    this.records.push(plaintext)
    // What else it may be is for the tests to see.
    if (plaintext.type === CONTENT.handshake) this.#in!.update()
    if (plaintext.type !== CONTENT.applicationData) return
    const skipped = Math.min(this.#prefaceLeft, plaintext.content.length)
    this.#prefaceLeft -= skipped
    this.frames.push(...this.#reader.push(plaintext.content.subarray(skipped)))
  }

  #changed(): void {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }
}

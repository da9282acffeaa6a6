import { Duplex } from 'node:stream'
import { controlFrame, dataFrame, flagFin, type Frame, frameType, numbers, readFrames, SpdyError } from './frames.ts'
import { createHeaderCodec, type SpdyHeaders } from './header-codec.ts'

/** A stream the client opened. Ending it says that no more comes; destroying it resets it. */
export interface SpdyStream extends Duplex {
  readonly headers: SpdyHeaders
}

export interface SpdySessionOptions {
  readonly transport: Duplex
  readonly onStream: (stream: SpdyStream) => void
}

/** Each forwarded connection takes two. */
const maxStreams = 2_000
const maxDataBytes = 32 * 1024
const cancelStatus = 5
const refusedStatus = 3

/**
 * The server's side of SPDY/3.1 on a connection that has been upgraded. Resolves when the client has gone. As in
 * Kubernetes' own implementation, windows are neither kept nor announced: backpressure is TCP's.
 */
export async function runSpdySession({ transport, onStream }: SpdySessionOptions): Promise<void> {
  const codec = createHeaderCodec()
  const streams = new Map<number, SessionStream>()
  try {
    for await (const frame of readFrames(transport as AsyncIterable<Buffer>)) await handle(frame)
  } finally {
    for (const stream of streams.values()) stream.cut()
    codec.close()
    transport.destroy()
  }

  async function handle(frame: Frame): Promise<void> {
    if (frame.kind === 'data') {
      const stream = streams.get(frame.stream)
      if (stream === undefined) return
      if (frame.payload.length > 0) await stream.receive(frame.payload)
      if ((frame.flags & flagFin) !== 0) stream.receiveEnd()
      return
    }
    switch (frame.type) {
      case frameType.synStream:
        return open(frame.payload, frame.flags)
      case frameType.rstStream:
        streams.get(streamId(frame.payload))?.cut()
        return
      case frameType.ping:
        transport.write(controlFrame(frameType.ping, 0, frame.payload))
        return
      case frameType.headers:
        // Nobody sends any, but they are part of the compressed stream.
        await codec.decode(frame.payload.subarray(4))
    }
  }

  async function open(payload: Buffer, flags: number): Promise<void> {
    if (payload.length < 10) throw new SpdyError('a SYN_STREAM frame is too short')
    const id = streamId(payload)
    // After the ids of this stream and its associate come priority and slot, a byte each.
    const headers = await codec.decode(payload.subarray(10))
    if (streams.has(id) || streams.size >= maxStreams) {
      transport.write(controlFrame(frameType.rstStream, 0, numbers(id, refusedStatus)))
      return
    }
    const stream = new SessionStream(id, headers, transport, () => streams.delete(id))
    streams.set(id, stream)
    const reply = await codec.encode({})
    transport.write(controlFrame(frameType.synReply, 0, Buffer.concat([numbers(id), reply])))
    if ((flags & flagFin) !== 0) stream.receiveEnd()
    onStream(stream)
  }
}

function streamId(payload: Buffer): number {
  if (payload.length < 4) throw new SpdyError('a control frame is too short')
  return payload.readUInt32BE(0) & 0x7fff_ffff
}

class SessionStream extends Duplex implements SpdyStream {
  readonly headers: SpdyHeaders
  readonly #id: number
  readonly #transport: Duplex
  readonly #onClose: () => void
  #resume: (() => void) | undefined
  #cut = false

  constructor(id: number, headers: SpdyHeaders, transport: Duplex, onClose: () => void) {
    super({ allowHalfOpen: true })
    this.#id = id
    this.headers = headers
    this.#transport = transport
    this.#onClose = onClose
    this.on('error', () => {}) // Reported by whoever reads or writes.
  }

  /** Resolves when the reader has room for more. */
  receive(payload: Buffer): Promise<void> | void {
    if (this.destroyed || this.push(payload)) return
    return new Promise(resolve => {
      this.#resume = resolve
    })
  }

  receiveEnd(): void {
    if (!this.destroyed) this.push(null)
  }

  /** The other side is gone: nothing is to be sent any more. */
  cut(): void {
    this.#cut = true
    this.destroy()
  }

  override _read(): void {
    this.#resume?.()
    this.#resume = undefined
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    let more = true
    for (let at = 0; at < chunk.length; at += maxDataBytes) {
      more = this.#transport.write(dataFrame(this.#id, 0, chunk.subarray(at, at + maxDataBytes)))
    }
    if (more || this.#transport.destroyed) done()
    else this.#transport.once('drain', done)
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#transport.writable) this.#transport.write(dataFrame(this.#id, flagFin, Buffer.alloc(0)))
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const finished = this.writableFinished && this.readableEnded
    if (!finished && !this.#cut && this.#transport.writable) {
      this.#transport.write(controlFrame(frameType.rstStream, 0, numbers(this.#id, cancelStatus)))
    }
    this.#resume?.()
    this.#onClose()
    done(error)
  }
}

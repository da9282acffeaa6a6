import type { Duplex } from 'node:stream'
import type { Side } from './side.ts'

export interface JoinFailure {
  /** 'send': from the client to the server; 'receive': back. */
  readonly direction: 'send' | 'receive'
  /** Whether data was lost, or only the end of data could not be passed on. */
  readonly stage: 'data' | 'shutdown'
  /** `io error: broken pipe`, `destination disconnected before all data was written`… */
  readonly detail: string
}

/** Two byte streams copied into each other until both directions have ended. */
export interface Join {
  /** Bytes so far from and to the client: the side that opened the connection. */
  readonly fromClient: number
  readonly toClient: number
  /** Resolves, never rejects, when both directions have ended and both sides are closed or abandoned. */
  readonly done: Promise<JoinFailure | undefined>
  /** Drops both sides at once. */
  abort: () => void
}

/**
 * Copies both ways with half-close and back-pressure (docs/spec/hbone.md 1.6 and 8). Directions are independent: each
 * runs to its own end, and what is left open after both is abandoned.
 */
export function join(client: Side, server: Side): Join {
  return new TwoWayCopy(client, server)
}

const kReads = Symbol('the direction this side is read for')
const kWrites = Symbol('the direction this side is written for')

interface Joined extends Duplex {
  [kReads]: Direction
  [kWrites]: Direction
}

class TwoWayCopy implements Join {
  readonly done: Promise<JoinFailure | undefined>
  readonly #client: Side
  readonly #server: Side
  readonly #send: Direction
  readonly #receive: Direction
  #resolve!: (failure: JoinFailure | undefined) => void

  constructor(client: Side, server: Side) {
    this.#client = client
    this.#server = server
    this.done = new Promise(resolve => {
      this.#resolve = resolve
    })
    const onDone = (): void => this.#directionDone()
    this.#send = new Direction('send', client, server, onDone)
    this.#receive = new Direction('receive', server, client, onDone)
    attach(client, this.#send, this.#receive)
    attach(server, this.#receive, this.#send)
  }

  get fromClient(): number {
    return this.#send.bytes
  }

  get toClient(): number {
    return this.#receive.bytes
  }

  abort(): void {
    this.#send.phase = 'done'
    this.#receive.phase = 'done'
    this.#directionDone()
  }

  #directionDone(): void {
    if (this.#send.phase !== 'done' || this.#receive.phase !== 'done') return
    this.#client.abandon()
    this.#server.abandon()
    this.#resolve(this.#send.failure ?? this.#receive.failure)
  }
}

/** Bytes from one side to the other. */
class Direction {
  /** 'ending': the end of data is on its way to the sink. */
  phase: 'copying' | 'ending' | 'done' = 'copying'
  bytes = 0
  failure: JoinFailure | undefined
  readonly source: Side
  readonly sink: Side
  /** The sink holds data that it has not passed on. Node forgets how much when it destroys a stream. */
  #unwritten = false
  readonly #name: 'send' | 'receive'
  readonly #onDone: () => void

  constructor(name: 'send' | 'receive', source: Side, sink: Side, onDone: () => void) {
    this.#name = name
    this.source = source
    this.sink = sink
    this.#onDone = onDone
  }

  /** False when the source should wait. */
  write(chunk: Buffer): boolean {
    const { duplex } = this.sink
    if (duplex.destroyed || duplex.writableEnded) {
      this.fail('data', this.#disconnected())
      return false
    }
    this.bytes += chunk.length
    this.#unwritten = !duplex.write(chunk)
    return !this.#unwritten
  }

  /** The sink passed on what it held. */
  drained(): void {
    this.#unwritten = false
    if (this.phase === 'copying') this.source.duplex.resume()
  }

  /** The source has no more: half-close the sink. */
  end(): void {
    if (this.phase !== 'copying') return
    const { duplex } = this.sink
    this.phase = 'ending'
    if (duplex.destroyed || duplex.writableEnded) {
      this.sinkClosed()
      return
    }
    this.#unwritten = duplex.writableLength > 0
    duplex.end()
  }

  /** The sink took everything, its end included. */
  finished(): void {
    if (this.phase === 'ending') this.#finish()
  }

  /** The source closed without saying that it ended. */
  sourceClosed(): void {
    if (this.phase !== 'copying') return
    // What arrived before a reset still counts: it waits in the buffer, at most one stream window of it.
    for (;;) {
      const chunk: Buffer | null = this.source.duplex.read()
      if (chunk === null) break
      this.write(chunk)
      if (this.phase !== 'copying') return
    }
    const detail = this.source.readFailure()
    if (detail !== undefined) this.#record('data', detail)
    this.end()
  }

  /** The sink can take nothing any more. */
  sinkClosed(): void {
    if (this.phase === 'done') return
    if (this.phase === 'ending' && this.sink.saidAll()) {
      this.#finish()
      return
    }
    if (this.#unwritten) {
      this.fail('data', this.#disconnected())
      return
    }
    // With nothing left to write it is no failure yet: the source may just end.
    if (this.phase === 'copying') return
    const detail = this.sink.shutdownFailure()
    // A half-close error outranks the copy error of its direction.
    if (detail !== undefined) this.failure = { direction: this.#name, stage: 'shutdown', detail }
    this.#finish()
  }

  fail(stage: JoinFailure['stage'], detail: string): void {
    if (this.phase === 'done') return
    this.#record(stage, detail)
    // Not read any further, but not released either before the other direction ends (docs/spec/hbone.md 1.6).
    this.source.duplex.pause()
    this.#finish()
  }

  #record(stage: JoinFailure['stage'], detail: string): void {
    this.failure ??= { direction: this.#name, stage, detail }
  }

  #disconnected(): string {
    return `${this.#name === 'send' ? 'destination' : 'client'} disconnected before all data was written`
  }

  #finish(): void {
    this.phase = 'done'
    this.#onDone()
  }
}

function attach(side: Side, reads: Direction, writes: Direction): void {
  const duplex = side.duplex as Joined
  duplex[kReads] = reads
  duplex[kWrites] = writes
  duplex.on('drain', onDrain)
  duplex.on('finish', onFinish)
  duplex.on('end', onEnd)
  duplex.on('close', onClose)
  if (duplex.destroyed && duplex.closed) {
    // Both directions must be set up before either hears that a side is gone already.
    queueMicrotask(() => onClose.call(duplex))
    return
  }
  if (duplex.readableEnded) queueMicrotask(() => onEnd.call(duplex))
  duplex.on('data', onData)
  duplex.resume()
}

// Shared by all connections: no closure per connection or chunk.
function onData(this: Joined, chunk: Buffer): void {
  const direction = this[kReads]
  if (direction.phase !== 'copying') return
  if (!direction.write(chunk)) this.pause()
}

function onDrain(this: Joined): void {
  this[kWrites].drained()
}

function onEnd(this: Joined): void {
  this[kReads].end()
}

function onFinish(this: Joined): void {
  this[kWrites].finished()
}

function onClose(this: Joined): void {
  this[kReads].sourceClosed()
  this[kWrites].sinkClosed()
}

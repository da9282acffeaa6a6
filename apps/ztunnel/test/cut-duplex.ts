import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** A way to a socket, or to nowhere, on which so many octets pass; with the last of them the connection is reset. */
export class CutDuplex extends Duplex {
  readonly #socket: Socket | undefined
  readonly #after: number
  readonly #recorded: Buffer[] = []
  /** Octets sent so far. */
  passed = 0

  constructor(socket: Socket | undefined, after: number) {
    super()
    this.#socket = socket
    this.#after = after
    socket?.on('data', chunk => this.push(chunk))
    socket?.on('end', () => this.push(null))
    socket?.on('close', () => this.destroy())
  }

  recorded(): Buffer {
    return Buffer.concat(this.#recorded)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const part = chunk.subarray(0, this.#after - this.passed)
    this.passed += part.length
    const isLast = this.passed === this.#after
    if (this.#socket === undefined) {
      this.#recorded.push(part)
      done()
    } else {
      this.#socket.write(part, error => {
        // What the kernel has goes before the reset.
        if (isLast) this.#socket?.resetAndDestroy()
        done(error)
      })
    }
  }

  override _read(): void {}

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket?.destroy()
    done(error)
  }
}

/**
 * Byte records of any length, one per small number, in few big buffers: the garbage collector sees those only. What is
 * replaced or removed leaves a hole; when holes outweigh the rest, the emptiest chunk is moved out of, one per write,
 * so that no single write pays for all.
 */
export interface RecordArena {
  /** Replaces what the number had. The bytes are copied. */
  readonly write: (id: number, bytes: Uint8Array) => void
  /** A view, good until the next write; undefined where there is none. */
  readonly read: (id: number) => Buffer | undefined
  readonly remove: (id: number) => void
  /** Holes and all. */
  readonly heldBytes: () => number
}

interface Chunk {
  readonly bytes: Buffer
  used: number
  live: number
}

/** Before each record: its number and its length, so that a chunk can be emptied without asking anyone. */
const headBytes = 8
const defaultChunkBytes = 256 * 1024

export function createRecordArena({ chunkBytes = defaultChunkBytes }: { chunkBytes?: number } = {}): RecordArena {
  const chunks: (Chunk | undefined)[] = []
  /** By record number: its chunk, and where in it. */
  let chunkOf = new Int32Array(1024).fill(-1)
  let offsetOf = new Int32Array(1024)
  let current = -1
  let live = 0
  let held = 0

  function chunkFor(bytes: number): number {
    const open = chunks[current]
    if (open !== undefined && open.used + bytes <= open.bytes.length) return current
    const size = Math.max(chunkBytes, bytes)
    const vacant = chunks.indexOf(undefined)
    current = vacant < 0 ? chunks.length : vacant
    chunks[current] = { bytes: Buffer.allocUnsafeSlow(size), used: 0, live: 0 }
    held += size
    return current
  }

  function put(id: number, bytes: Uint8Array): void {
    const total = headBytes + bytes.length
    const where = chunkFor(total)
    const chunk = chunks[where]!
    chunk.bytes.writeUInt32LE(id, chunk.used)
    chunk.bytes.writeUInt32LE(bytes.length, chunk.used + 4)
    chunk.bytes.set(bytes, chunk.used + headBytes)
    chunkOf[id] = where
    offsetOf[id] = chunk.used
    chunk.used += total
    chunk.live += total
    live += total
  }

  function drop(where: number): void {
    held -= chunks[where]!.bytes.length
    chunks[where] = undefined
    if (where === current) current = -1
  }

  function remove(id: number): void {
    const where = chunkOf[id] ?? -1
    if (where < 0) return
    const chunk = chunks[where]!
    const total = headBytes + chunk.bytes.readUInt32LE(offsetOf[id]! + 4)
    chunk.live -= total
    live -= total
    chunkOf[id] = -1
    if (chunk.live === 0) drop(where)
  }

  function compactOne(): void {
    if (held - live < 2 * chunkBytes || held < 2 * live) return
    let emptiest = -1
    for (const [i, chunk] of chunks.entries()) {
      if (chunk === undefined || i === current) continue
      if (emptiest < 0 || chunk.live < chunks[emptiest]!.live) emptiest = i
    }
    const chunk = chunks[emptiest]
    if (chunk === undefined) return
    let length = 0
    for (let offset = 0; offset < chunk.used; offset += headBytes + length) {
      const id = chunk.bytes.readUInt32LE(offset)
      length = chunk.bytes.readUInt32LE(offset + 4)
      if (chunkOf[id] !== emptiest || offsetOf[id] !== offset) continue
      live -= headBytes + length
      put(id, chunk.bytes.subarray(offset + headBytes, offset + headBytes + length))
    }
    drop(emptiest)
  }

  return {
    write(id, bytes) {
      remove(id)
      if (id >= chunkOf.length) {
        const size = 2 ** Math.ceil(Math.log2(id + 1))
        const [oldChunks, oldOffsets] = [chunkOf, offsetOf]
        chunkOf = new Int32Array(size).fill(-1)
        chunkOf.set(oldChunks)
        offsetOf = new Int32Array(size)
        offsetOf.set(oldOffsets)
      }
      put(id, bytes)
      compactOne()
    },
    read(id) {
      const where = chunkOf[id] ?? -1
      if (where < 0) return undefined
      const start = offsetOf[id]!
      const { bytes } = chunks[where]!
      return bytes.subarray(start + headBytes, start + headBytes + bytes.readUInt32LE(start + 4))
    },
    remove,
    heldBytes: () => held
  }
}

/** HTTP/2 frames as bytes, right and wrong ones alike: for peers that are scripted octet by octet. */

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9
} as const

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6
} as const

/** RFC 9113 section 7. */
export const CODE = {
  noError: 0,
  protocolError: 1,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11
} as const

export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([frameHeader(payload.length, type, flags, stream), payload])
}

export function frameHeader(length: number, type: number, flags: number, stream: number): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return header
}

export function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}

export function settings(...values: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(values.length * 6)
  for (const [index, [id, value]] of values.entries()) {
    payload.writeUInt16BE(id, index * 6)
    payload.writeUInt32BE(value, index * 6 + 2)
  }
  return frame(TYPE.settings, 0, 0, payload)
}

export const settingsAck: Buffer = frame(TYPE.settings, FLAG.ack, 0)

export function data(stream: number, payload: Uint8Array | string, flags = 0): Buffer {
  return frame(TYPE.data, flags, stream, Buffer.from(payload as string))
}

/** One whole header block. */
export function headers(stream: number, block: Uint8Array, flags = 0): Buffer {
  return frame(TYPE.headers, FLAG.endHeaders | flags, stream, block)
}

export function rstStream(stream: number, code: number): Buffer {
  return frame(TYPE.rstStream, 0, stream, u32(code))
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(TYPE.windowUpdate, 0, stream, u32(increment))
}

export function ping(flags = 0, payload = 'abcdefgh'): Buffer {
  return frame(TYPE.ping, flags, 0, Buffer.from(payload))
}

export function goaway(last: number, code: number, debug = ''): Buffer {
  return frame(TYPE.goaway, 0, 0, Buffer.concat([u32(last, code), Buffer.from(debug)]))
}

/** Literal fields without indexing, names and values not coded (RFC 7541 6.2.2). */
export function fields(...lines: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(lines.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]))
}

/** An integer with a prefix of so many bits (RFC 7541 5.1). */
export function integer(first: number, bits: number, value: number): Buffer {
  const most = 2 ** bits - 1
  if (value < most) return Buffer.of(first | value)
  const octets = [first | most]
  for (value -= most; value >= 128; value = Math.floor(value / 128)) octets.push((value % 128) + 128)
  return Buffer.of(...octets, value)
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(0, 7, bytes.length), bytes])
}

/** `:status` of a response of ours: from the static table, or a literal with its name from there. */
export function statusOf(block: Buffer): number {
  // A change of the table's size may come first.
  const at = (block[0]! & 0xe0) === 0x20 ? 1 : 0
  const indexed = [200, 204, 206, 304, 400, 404, 500][block[at]! - 0x88]
  return indexed ?? Number(block.toString('latin1', at + 2, at + 5))
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  push(bytes: Buffer): Frame[] {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3)
      frames.push({
        type: rest[3]!,
        flags: rest[4]!,
        stream: rest.readUInt32BE(5),
        payload: Buffer.from(rest.subarray(9, end))
      })
      rest = rest.subarray(end)
    }
    this.#rest = rest
    return frames
  }
}

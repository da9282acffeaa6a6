/** SPDY/3.1 frames (draft-mbelshe-httpbis-spdy-00, 2.2 and 2.6), as far as Kubernetes' clients use them. */

export class SpdyError extends Error {
  override readonly name = 'SpdyError'
}

export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9
} as const

export const flagFin = 1

export type Frame =
  | { readonly kind: 'data'; readonly stream: number; readonly flags: number; readonly payload: Buffer }
  | { readonly kind: 'control'; readonly type: number; readonly flags: number; readonly payload: Buffer }

const headLength = 8
/** Go's client writes 32 KiB at a time. */
const maxPayload = 1024 * 1024
const controlBit = 0x8000_0000
const version = 3

/** Cuts a byte stream into frames. */
export async function* readFrames(bytes: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of bytes) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= headLength) {
      const flags = pending.readUInt8(4)
      const length = pending.readUIntBE(5, 3)
      if (length > maxPayload) throw new SpdyError(`a frame of ${length} bytes is longer than ${maxPayload}`)
      if (pending.length < headLength + length) break
      const first = pending.readUInt32BE(0)
      const payload = pending.subarray(headLength, headLength + length)
      if (first >= controlBit) {
        const spoken = (first >>> 16) & 0x7fff
        if (spoken !== version) throw new SpdyError(`SPDY version ${spoken} is not ${version}`)
        yield { kind: 'control', type: first & 0xffff, flags, payload }
      } else {
        yield { kind: 'data', stream: first, flags, payload }
      }
      pending = pending.subarray(headLength + length)
    }
  }
}

export function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(headLength)
  head.writeUInt32BE(controlBit + version * 0x1_0000 + type)
  head.writeUInt8(flags, 4)
  head.writeUIntBE(payload.length, 5, 3)
  return Buffer.concat([head, payload])
}

export function dataFrame(stream: number, flags: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(headLength)
  head.writeUInt32BE(stream)
  head.writeUInt8(flags, 4)
  head.writeUIntBE(payload.length, 5, 3)
  return Buffer.concat([head, payload])
}

export function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}

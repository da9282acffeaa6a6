/** DNS over TCP: two bytes of length before each message (RFC 1035 4.2.2). */
export interface FrameReader {
  /** The messages that are complete now. What is kept is below one message, 64 KiB. */
  readonly push: (chunk: Buffer) => readonly Buffer[]
}

export function createFrameReader(): FrameReader {
  let pending: Buffer = Buffer.alloc(0)
  return {
    push: chunk => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      const messages: Buffer[] = []
      while (pending.length >= 2) {
        const end = 2 + pending.readUInt16BE(0)
        if (pending.length < end) break
        messages.push(pending.subarray(2, end))
        pending = pending.subarray(end)
      }
      return messages
    }
  }
}

export function frame(message: Buffer): Buffer {
  const size = Buffer.alloc(2)
  size.writeUInt16BE(message.length, 0)
  return Buffer.concat([size, message])
}

/** DNS over TCP: two bytes of length before each message (RFC 1035 4.2.2). */
export interface FrameReader {
  /** The messages that are complete now. What is kept is below two messages, 128 KiB. */
  readonly push: (chunk: Buffer) => readonly Buffer[]
}

export function createFrameReader(): FrameReader {
  /** The beginning of a message, and room: a peer that sends single bytes must not have all of them copied each time. */
  let pending: Buffer = Buffer.alloc(0)
  let held = 0

  const append = (chunk: Buffer): Buffer => {
    if (held + chunk.length > pending.length) {
      const larger = Buffer.alloc(2 * (held + chunk.length))
      pending.copy(larger, 0, 0, held)
      pending = larger
    }
    held += chunk.copy(pending, held)
    return pending.subarray(0, held)
  }
  return {
    push: chunk => {
      let rest = held === 0 ? chunk : append(chunk)
      const messages: Buffer[] = []
      while (rest.length >= 2) {
        const end = 2 + rest.readUInt16BE(0)
        if (rest.length < end) break
        messages.push(rest.subarray(2, end))
        rest = rest.subarray(end)
      }
      if (held === 0 || messages.length > 0) {
        // The messages keep the old memory.
        pending = Buffer.from(rest)
        held = rest.length
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

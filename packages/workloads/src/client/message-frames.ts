import { WorkloadsError } from '../errors.ts'

/**
 * Messages out of the pieces of a gRPC stream: a flag octet and a length before each. A long message is copied to its
 * place piece by piece as they come: put together at its end, one with a whole mesh would keep everybody waiting.
 */
export interface MessageFrames {
  /** The messages that are whole now. @throws WORKLOADS_UNDECODABLE for one that is compressed or too long */
  readonly push: (piece: Buffer) => readonly Buffer[]
}

const headBytes = 5

export function createMessageFrames({ maxBytes }: { readonly maxBytes: number }): MessageFrames {
  const head = Buffer.alloc(headBytes)
  let headLength = 0
  /** Undefined while its head is not whole. */
  let message: Buffer | undefined
  let length = 0
  return {
    push(piece) {
      const whole: Buffer[] = []
      let at = 0
      while (at < piece.length || message?.length === length) {
        if (message === undefined) {
          const copied = piece.copy(head, headLength, at)
          headLength += copied
          at += copied
          if (headLength < headBytes) break
          message = Buffer.allocUnsafeSlow(sizeIn(head, maxBytes))
          length = 0
        }
        const copied = piece.copy(message, length, at)
        length += copied
        at += copied
        if (length < message.length) break
        whole.push(message)
        message = undefined
        headLength = 0
      }
      return whole
    }
  }
}

function sizeIn(head: Buffer, maxBytes: number): number {
  if (head[0] !== 0) throw undecodable('a message is compressed, which nobody asked for')
  const size = head.readUInt32BE(1)
  if (size > maxBytes) throw undecodable(`a message of ${size} bytes, where at most ${maxBytes} are taken`)
  return size
}

const undecodable = (message: string): WorkloadsError => new WorkloadsError('WORKLOADS_UNDECODABLE', message)

/** What goes before a message that is sent. */
export function frameHead(length: number): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(length, 1)
  return head
}

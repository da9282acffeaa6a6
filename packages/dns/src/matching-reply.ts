import { headerBytes, lowerCaseWire } from './domain-name.ts'
import { DnsError } from './errors.ts'
import { type Message, type Question, rcode, readHeader, readMessage } from './message.ts'

/**
 * Undefined for what is no answer to our question: another id, no response, another question, or the same name in
 * another case than we sent it, unless we mixed it. An error for a reply of the right id that cannot be read.
 */
export function matchingReply(
  bytes: Buffer,
  id: number,
  question: Question
): Message | 'other case' | DnsError | undefined {
  const header = readHeader(bytes)
  if (header === undefined || header.id !== id || !header.response || header.opcode !== 0) return undefined
  const sent = Buffer.concat([question.wire, Buffer.of(question.type >> 8, question.type & 0xff)])
  try {
    const reply = readMessage(bytes)
    // A server that cannot read us may leave the question out; there is then nothing to take from it but the rcode. One
    // that denies a name has read it: without the question that would be a forger's, who need not guess it.
    const unread = reply.rcode !== rcode.noError && reply.rcode !== rcode.nxDomain
    if (reply.questions.length === 0 && unread && reply.answers.length === 0) return reply
    const echoed = reply.questionBytes.subarray(0, sent.length)
    const plain = lowerCaseWire(question.wire)
    const mixed = !plain.equals(question.wire)
    if (reply.questions.length !== 1) return undefined
    if (!echoed.equals(sent)) return mixed && sameName(echoed, sent) ? 'other case' : undefined
    if (!mixed) return reply
    // Names in the reply point to the question's: nobody behind us sees the mixture.
    const lowered = Buffer.from(bytes)
    plain.copy(lowered, headerBytes)
    return readMessage(lowered)
  } catch (error) {
    if (error instanceof DnsError) return error
    throw error
  }
}

function sameName(one: Buffer, other: Buffer): boolean {
  return lowerCaseWire(one).equals(lowerCaseWire(other))
}

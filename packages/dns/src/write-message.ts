import { headerBytes, readName } from './domain-name.ts'
import { type DnsRecord, type Edns, recordType } from './message.ts'

export interface Reply {
  readonly id: number
  readonly opcode: number
  readonly rcode: number
  readonly authoritative: boolean
  readonly recursionDesired: boolean
  readonly recursionAvailable: boolean
  readonly checkingDisabled: boolean
  readonly questionCount: number
  readonly questionBytes: Buffer
  readonly answers: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
  readonly edns: Edns | undefined
}

/** An OPT record: root, type, payload size, version and flags, no options. */
const optBytes = 11

/** What does not fit in `maxBytes` is dropped from the end; dropped answers set TC. */
export function writeReply(reply: Reply, maxBytes: number): Buffer {
  const header = Buffer.alloc(headerBytes)
  const parts: Buffer[] = [header, reply.questionBytes]
  let size = headerBytes + reply.questionBytes.length
  const room = maxBytes - (reply.edns === undefined ? 0 : optBytes)
  const known = questionNames(reply)

  /** How many of them fitted. */
  const append = (records: readonly DnsRecord[]): number => {
    let count = 0
    for (const record of records) {
      const { bytes, names } = encode(record, size, known)
      if (size + bytes.length > room) break
      for (const [name, offset] of names) known.set(name, offset)
      parts.push(bytes)
      size += bytes.length
      count++
    }
    return count
  }
  const answers = append(reply.answers)
  const truncated = answers < reply.answers.length
  const additionals = truncated ? 0 : append(reply.additionals)
  if (reply.edns !== undefined) parts.push(encodeEdns(reply.edns))

  header.writeUInt16BE(reply.id, 0)
  header.writeUInt16BE(
    0x8000 |
      (reply.opcode << 11) |
      (reply.authoritative ? 0x0400 : 0) |
      (truncated ? 0x0200 : 0) |
      (reply.recursionDesired ? 0x0100 : 0) |
      (reply.recursionAvailable ? 0x0080 : 0) |
      (reply.checkingDisabled ? 0x0010 : 0) |
      reply.rcode,
    2
  )
  header.writeUInt16BE(reply.questionCount, 4)
  header.writeUInt16BE(answers, 6)
  header.writeUInt16BE(additionals + (reply.edns === undefined ? 0 : 1), 10)
  return Buffer.concat(parts)
}

/** One standard query with a single question, recursion desired. */
export function writeQuery(query: {
  readonly id: number
  readonly wire: Buffer
  readonly type: number
  readonly class: number
  readonly edns: Edns | undefined
}): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(query.id, 0)
  header.writeUInt16BE(0x0100, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(query.edns === undefined ? 0 : 1, 10)
  const question = Buffer.alloc(4)
  question.writeUInt16BE(query.type, 0)
  question.writeUInt16BE(query.class, 2)
  const options = query.edns === undefined ? [] : [encodeEdns(query.edns)]
  return Buffer.concat([header, query.wire, question, ...options])
}

function encode(
  record: DnsRecord,
  offset: number,
  known: ReadonlyMap<string, number>
): { bytes: Buffer; names: readonly (readonly [name: string, offset: number])[] } {
  const { bytes: owner, names } = compress(record.wire, offset, known)
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(record.type, 0)
  fixed.writeUInt16BE(record.class, 2)
  fixed.writeUInt32BE(record.ttl, 4)
  fixed.writeUInt16BE(record.data.length, 8)
  return { bytes: Buffer.concat([owner, fixed, record.data]), names }
}

/** The suffixes of the question's name, as its client wrote it. */
function questionNames(reply: Reply): Map<string, number> {
  if (reply.questionCount !== 1) return new Map()
  const { wire } = readName(reply.questionBytes, 0)
  return new Map(compress(wire, headerBytes, new Map()).names)
}

/** Names are compressed against earlier owner names with the same bytes; the question keeps its own case. */
function compress(
  wire: Buffer,
  offset: number,
  known: ReadonlyMap<string, number>
): { bytes: Buffer; names: readonly (readonly [name: string, offset: number])[] } {
  const names: (readonly [string, number])[] = []
  let at = 0
  while ((wire[at] ?? 0) !== 0) {
    const suffix = wire.toString('latin1', at)
    const pointer = known.get(suffix)
    if (pointer !== undefined) {
      const bytes = Buffer.concat([wire.subarray(0, at), Buffer.of(0xc0 | (pointer >> 8), pointer & 0xff)])
      return { bytes, names }
    }
    // A pointer has 14 bits.
    if (offset + at < 0x4000) names.push([suffix, offset + at])
    at += 1 + (wire[at] ?? 0)
  }
  return { bytes: wire, names }
}

function encodeEdns(edns: Edns): Buffer {
  const bytes = Buffer.alloc(optBytes)
  bytes.writeUInt16BE(recordType.OPT, 1)
  bytes.writeUInt16BE(edns.payloadSize, 3)
  bytes.writeUInt8(edns.version, 6)
  bytes.writeUInt16BE(edns.dnssecOk ? 0x8000 : 0, 7)
  return bytes
}

import { headerBytes, lowerCaseWire, nameText, readName, wireName } from './domain-name.ts'
import { DnsError } from './errors.ts'
import { expandedData } from './record-data.ts'

export interface Edns {
  readonly payloadSize: number
  readonly version: number
  readonly dnssecOk: boolean
}

export interface Question {
  /** Lower case. */
  readonly wire: Buffer
  /** Lower case, without trailing dot. */
  readonly name: string
  readonly type: number
  readonly class: number
}

/** A resource record; names in `wire` and `data` are uncompressed. */
export interface DnsRecord {
  readonly wire: Buffer
  readonly type: number
  readonly class: number
  readonly ttl: number
  readonly data: Buffer
}

export interface Header {
  readonly id: number
  readonly response: boolean
  readonly opcode: number
  readonly authoritative: boolean
  readonly truncated: boolean
  readonly recursionDesired: boolean
  readonly checkingDisabled: boolean
  readonly rcode: number
}

export interface Message extends Header {
  /** The whole message; everything below may share its memory. */
  readonly bytes: Buffer
  readonly questions: readonly Question[]
  /** As received, to be echoed byte for byte. */
  readonly questionBytes: Buffer
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
  readonly edns: Edns | undefined
}

export const recordType = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, AAAA: 28, OPT: 41 } as const
export const rcode = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const

const internet = 1
const addressBytes: ReadonlyMap<number, number> = new Map([
  [recordType.A, 4],
  [recordType.AAAA, 16]
])

/** Undefined under 12 bytes. */
export function readHeader(message: Buffer): Header | undefined {
  if (message.length < headerBytes) return undefined
  const flags = message.readUInt16BE(2)
  return {
    id: message.readUInt16BE(0),
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 0xf,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionDesired: (flags & 0x0100) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    rcode: flags & 0xf
  }
}

/** Reads every section or throws DNS_BAD_MESSAGE. */
export function readMessage(bytes: Buffer): Message {
  const header = readHeader(bytes)
  if (header === undefined) throw new DnsError('DNS_BAD_MESSAGE', `${bytes.length} bytes are no DNS header`)
  const questions: Question[] = []
  let at = headerBytes
  for (let i = 0; i < bytes.readUInt16BE(4); i++) {
    const name = readName(bytes, at)
    need(bytes, name.end, 4)
    const wire = lowerCaseWire(name.wire)
    questions.push({
      wire,
      name: nameText(wire),
      type: bytes.readUInt16BE(name.end),
      class: bytes.readUInt16BE(name.end + 2)
    })
    at = name.end + 4
  }
  const questionBytes = bytes.subarray(headerBytes, at)

  const section = (count: number): DnsRecord[] => {
    const records: DnsRecord[] = []
    for (let i = 0; i < count; i++) {
      const { record, end } = readRecord(bytes, at)
      records.push(record)
      at = end
    }
    return records
  }
  const answers = section(bytes.readUInt16BE(6))
  const authorities = section(bytes.readUInt16BE(8))
  const rest = section(bytes.readUInt16BE(10))
  const options = rest.filter(({ type }) => type === recordType.OPT)
  if (options.length > 1) throw new DnsError('DNS_BAD_MESSAGE', 'more than one OPT record')
  return {
    ...header,
    bytes,
    questions,
    questionBytes,
    answers,
    authorities,
    additionals: rest.filter(({ type }) => type !== recordType.OPT),
    edns: options[0] === undefined ? undefined : readEdns(options[0])
  }
}

function readRecord(bytes: Buffer, start: number): { record: DnsRecord; end: number } {
  const { wire, end: at } = readName(bytes, start)
  need(bytes, at, 10)
  const type = bytes.readUInt16BE(at)
  const size = bytes.readUInt16BE(at + 8)
  need(bytes, at + 10, size)
  const end = at + 10 + size
  const data = expandedData(bytes, type, at + 10, end)
  const classNumber = bytes.readUInt16BE(at + 2)
  if (classNumber === internet && data.length !== (addressBytes.get(type) ?? data.length)) {
    throw new DnsError('DNS_BAD_MESSAGE', `an address of type ${type} has ${data.length} bytes`)
  }
  return { record: { wire, type, class: classNumber, ttl: bytes.readUInt32BE(at + 4), data }, end }
}

/** RFC 6891 6.1.3: the class is the payload size, the TTL holds version and flags. */
function readEdns(option: DnsRecord): Edns {
  return { payloadSize: option.class, version: (option.ttl >> 16) & 0xff, dnssecOk: (option.ttl & 0x8000) !== 0 }
}

function need(bytes: Buffer, at: number, count: number): void {
  if (at + count > bytes.length)
    throw new DnsError('DNS_BAD_MESSAGE', `message ends at ${bytes.length}, inside a record`)
}

/** A question of our own. */
export function questionFor(name: string, type: 'A' | 'AAAA'): Question {
  const wire = lowerCaseWire(wireName(name))
  return { wire, name: nameText(wire), type: recordType[type], class: internet }
}

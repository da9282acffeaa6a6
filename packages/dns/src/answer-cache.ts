import { type Message, type Question, rcode, readMessage, recordType } from './message.ts'

/** Replies of upstream servers for as long as they say: docs/spec/observability-dns.md 11.5. */
export interface AnswerCache {
  /** A reply that is still good, its TTLs counted down. */
  readonly get: (question: Question) => Message | undefined
  readonly put: (question: Question, reply: Message) => void
}

const maxEntries = 8_192
/** Bigger replies, which came over TCP, are not kept: 10 MiB for a pod that asks for names of its own making. */
const maxBytes = 1_232
const maxSeconds = 86_400
/** Bytes of the five numbers at the end of an SOA record's data. */
const soaNumbers = 20

/** `now` in milliseconds, of any origin. */
export function createAnswerCache(now: () => number): AnswerCache {
  /** Oldest first. Bytes, because a decoded reply takes ten times as much memory. */
  const entries = new Map<string, { readonly bytes: Buffer; readonly stored: number; readonly expires: number }>()
  return {
    get(question) {
      const key = questionKey(question)
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      const time = now()
      if (time >= entry.expires) {
        entries.delete(key)
        return undefined
      }
      const age = Math.floor((time - entry.stored) / 1000)
      const reply = readMessage(entry.bytes)
      const older = (records: Message['answers']): Message['answers'] =>
        records.map(record => ({ ...record, ttl: Math.max(0, Math.min(record.ttl, maxSeconds) - age) }))
      return { ...reply, answers: older(reply.answers), additionals: older(reply.additionals) }
    },
    put(question, reply) {
      const seconds = lifetime(reply)
      if (seconds === 0 || reply.bytes.length > maxBytes) return
      const key = questionKey(question)
      entries.delete(key)
      const stored = now()
      entries.set(key, { bytes: Buffer.from(reply.bytes), stored, expires: stored + seconds * 1000 })
      const [oldest] = entries.keys()
      if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest)
    }
  }
}

/** The same for two questions that have the same answer. */
export const questionKey = ({ wire, type, class: classNumber }: Question): string =>
  `${type} ${classNumber} ${wire.toString('latin1')}`

/** Seconds: the shortest TTL of the answers; of a reply that denies, what its SOA says, and none without one. */
function lifetime({ rcode: code, truncated, answers, authorities }: Message): number {
  if (truncated || (code !== rcode.noError && code !== rcode.nxDomain)) return 0
  const times = answers.map(({ ttl }) => ttl)
  if (answers.length === 0 || code === rcode.nxDomain) {
    const soa = authorities.find(({ type, data }) => type === recordType.SOA && data.length > soaNumbers)
    // RFC 2308 5: the lesser of the record's TTL and its last field, MINIMUM.
    times.push(soa === undefined ? 0 : Math.min(soa.ttl, soa.data.readUInt32BE(soa.data.length - 4)))
  }
  return Math.min(maxSeconds, ...times)
}

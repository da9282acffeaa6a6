import {
  AUTHORITATIVE_ANSWER,
  type Answer,
  decode,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE
} from 'dns-packet'
import type { ServiceState } from '../services/service-state.ts'
import { answerFromZone, type ZoneOptions } from './cluster-zone.ts'

/** Seconds: short, since endpoints come and go. */
const ttl = 5

const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4 } as const

const opcodeQuery = 0

export interface ResponderOptions extends ZoneOptions {
  readonly state: ServiceState
  /** Asks somebody outside; undefined: names outside do not exist. */
  readonly forward: ((query: Buffer) => Promise<Buffer>) | undefined
}

/** The answer to a query, or undefined for bytes that are no query at all. */
export async function respond(query: Buffer, o: ResponderOptions): Promise<Buffer | undefined> {
  // 12 bytes: the header; bit 7 of the third says that it is an answer.
  if (query.length < 12 || (query[2]! & 0x80) !== 0) return undefined
  let packet: Packet
  try {
    packet = decode(query)
  } catch {
    return refuse(query, rcodes.FORMERR)
  }
  const [question, ...more] = packet.questions ?? []
  if (question === undefined || more.length > 0) return refuse(query, rcodes.FORMERR)
  if ((query[2]! & 0x78) !== opcodeQuery) return refuse(query, rcodes.NOTIMP)
  const records = answerFromZone(question, o.state, o)
  if (records === 'outside' && o.forward !== undefined) {
    return o.forward(query).catch(() => refuse(query, rcodes.SERVFAIL))
  }
  const found = records === 'outside' || records === 'missing' ? [] : records
  const rcode = records === 'outside' || records === 'missing' ? rcodes.NXDOMAIN : rcodes.NOERROR
  const desired = (packet.flags ?? 0) & RECURSION_DESIRED
  return encode({
    type: 'response',
    id: packet.id ?? 0,
    flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | desired | rcode,
    questions: [question],
    answers: found.map(record => ({ ...record, ttl, class: 'IN' }) as Answer),
    // Tells caches how long a name without records stays so (RFC 2308).
    authorities: found.length > 0 ? [] : [startOfAuthority(o.clusterDomain)]
  })
}

/** The answer cut to what a UDP client takes: 512 bytes unless its query announces more (RFC 6891). */
export function fitDatagram(answer: Buffer, query: Buffer): Buffer {
  const limit = datagramLimit(query)
  if (answer.length <= limit) return answer
  const packet = decode(answer)
  return encode({
    ...packet,
    type: 'response',
    flags: (packet.flags ?? 0) | TRUNCATED_RESPONSE,
    answers: [],
    authorities: [],
    additionals: []
  })
}

function datagramLimit(query: Buffer): number {
  try {
    for (const record of decode(query).additionals ?? []) {
      if (record.type === 'OPT') return Math.max(512, record.udpPayloadSize)
    }
  } catch {
    // it was answered with FORMERR
  }
  return 512
}

function startOfAuthority(zone: string): Answer {
  return {
    type: 'SOA',
    name: zone,
    ttl,
    data: {
      mname: `ns.dns.${zone}`,
      rname: `hostmaster.${zone}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: ttl
    }
  }
}

/** Built by hand: of a query that cannot be decoded only the header is sure to be there. */
function refuse(query: Buffer, rcode: number): Buffer {
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header[2] = 0x80 | (query[2]! & 0x79) // an answer, with the query's opcode and "recursion desired"
  header[3] = 0x80 | rcode
  return header
}

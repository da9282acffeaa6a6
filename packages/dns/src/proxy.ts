import { DnsError } from './errors.ts'
import type { Forwarder } from './forwarder.ts'
import { localAnswer, shuffled } from './local-answer.ts'
import { type MatchSettings, matchService, type ServiceLookup } from './match.ts'
import { type Message, type Question, rcode, readHeader, readMessage, recordType } from './message.ts'
import { type Reply, writeReply } from './write-message.ts'

/** The pod that asks, as far as answers depend on it. */
export interface DnsClient {
  readonly namespace: string
  readonly network: string
}

export type DnsProtocol = 'udp' | 'tcp'

/** One question, after its answer: what docs/spec/observability-dns.md 4.1 and 5.6 show of it. */
export interface DnsOutcome<C extends DnsClient> {
  readonly protocol: DnsProtocol
  readonly type: number
  /** Lower case, with trailing dot. */
  readonly domain: string
  /** Undefined: not known from xDS in time; there is then no result to log. */
  readonly client: C | undefined
  readonly result: string
  readonly endpoints: number
  readonly upstream: { readonly duration: number; readonly failed: boolean } | undefined
}

export interface DnsProxyOptions<C extends DnsClient> extends MatchSettings {
  /** IPV6_ENABLED. */
  readonly ipv6: boolean
  /** The pod's workload; may wait for it. Undefined when it never came. */
  readonly client: () => Promise<C | undefined>
  readonly services: ServiceLookup
  readonly forwarder: Forwarder
  readonly observe: (outcome: DnsOutcome<C>) => void
}

export interface DnsProxy {
  /** The reply to one message; undefined when there must be none. */
  readonly answer: (bytes: Buffer, protocol: DnsProtocol, signal: AbortSignal) => Promise<Buffer | undefined>
}

const standardQuery = 0
/** Without EDNS a reply over UDP may still have this size (11.2), not 512. */
const defaultUdpBytes = 4_096
const minUdpBytes = 512
const maxTcpBytes = 65_535

export function createDnsProxy<C extends DnsClient>(options: DnsProxyOptions<C>): DnsProxy {
  const answer: DnsProxy['answer'] = async (bytes, protocol, signal) => {
    const header = readHeader(bytes)
    if (header === undefined || header.response) return undefined
    let query: Message
    try {
      query = readMessage(bytes)
    } catch (error) {
      if (!(error instanceof DnsError)) throw error
      return writeReply(
        errorReply({ ...header, questions: [], questionBytes: Buffer.alloc(0) }, rcode.formErr),
        maxTcpBytes
      )
    }
    if (query.opcode !== standardQuery) return writeReply(errorReply(query, rcode.notImp), maxTcpBytes)
    const [question] = query.questions
    if (question === undefined || query.questions.length > 1) {
      return writeReply(errorReply(query, rcode.servFail), maxTcpBytes)
    }
    const reply = await resolve(query, question, protocol, signal)
    return writeReply(reply, protocol === 'tcp' ? maxTcpBytes : (reply.edns?.payloadSize ?? defaultUdpBytes))
  }

  const resolve = async (
    query: Message,
    question: Question,
    protocol: DnsProtocol,
    signal: AbortSignal
  ): Promise<Reply> => {
    const client = await options.client()
    const seen = { protocol, type: question.type, domain: `${question.name}.`, client }
    if (client === undefined) {
      options.observe({ ...seen, result: 'unknown client', endpoints: 0, upstream: undefined })
      return errorReply(query, rcode.servFail)
    }
    if (question.type === recordType.A || question.type === recordType.AAAA) {
      const match = matchService(question.name, client.namespace, options.services, options)
      if (match !== undefined) {
        const local = localAnswer(match, question, client, {
          ipv6: options.ipv6,
          shuffle: shuffled
        })
        options.observe({ ...seen, result: local.result, endpoints: local.cnames, upstream: undefined })
        return { ...answerReply(query), authoritative: true, answers: local.answers }
      }
    }
    const start = performance.now()
    const forwarded = await options.forwarder.forward(question, { signal })
    const upstream = { duration: performance.now() - start, failed: forwarded.kind === 'none' }
    if (forwarded.kind === 'none') {
      const result = `forwarding failed (${forwarded.reason})`
      options.observe({ ...seen, result, endpoints: 0, upstream })
      return errorReply(query, forwarded.rcode)
    }
    const { answers, additionals } = forwarded
    options.observe({ ...seen, result: 'forwarded', endpoints: answers.length, upstream })
    return { ...answerReply(query), answers, additionals }
  }

  return { answer }
}

function answerReply(query: Message): Reply {
  const edns = query.edns
  return {
    ...errorReply(query, rcode.noError),
    recursionAvailable: true,
    edns: edns === undefined ? undefined : { ...edns, payloadSize: Math.max(edns.payloadSize, minUdpBytes) }
  }
}

/** No AA, no RA, no OPT; also the shape of a forwarded reply without answers. */
function errorReply(
  query: Pick<Message, 'id' | 'opcode' | 'recursionDesired' | 'checkingDisabled' | 'questions' | 'questionBytes'>,
  code: number
): Reply {
  return {
    id: query.id,
    opcode: query.opcode,
    rcode: code,
    authoritative: false,
    recursionDesired: query.recursionDesired,
    recursionAvailable: false,
    checkingDisabled: query.checkingDisabled,
    questionCount: query.questions.length,
    questionBytes: query.questionBytes,
    answers: [],
    additionals: [],
    edns: undefined
  }
}

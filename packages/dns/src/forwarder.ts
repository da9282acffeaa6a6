import { createAnswerCache, questionKey } from './answer-cache.ts'
import { lowerCaseWire, nameText } from './domain-name.ts'
import { DnsError } from './errors.ts'
import type { SlotShare } from './fair-slots.ts'
import { type HostsTable, specialName } from './hosts-file.ts'
import { type DnsRecord, type Edns, type Message, type Question, rcode, recordType } from './message.ts'
import type { ResolverConfig } from './resolv-conf.ts'
import type { Exchange, UpstreamServer } from './upstream.ts'

/** What the upstream servers made of a question: docs/spec/observability-dns.md 11.5. */
export type ForwardResult =
  | { readonly kind: 'answers'; readonly answers: readonly DnsRecord[]; readonly additionals: readonly DnsRecord[] }
  | { readonly kind: 'none'; readonly rcode: number; readonly reason: string }

export interface Forwarder {
  /** Never rejects. */
  readonly forward: (question: Question, options: { readonly signal: AbortSignal }) => Promise<ForwardResult>
}

/** A reply of this size fits every path without fragments. */
const edns: Edns = { payloadSize: 1232, version: 0, dnssecOk: false }
const maxCnameDepth = 8
const serversAtOnce = 2
const internet = 1
const localTtl = 86_400

export function createForwarder(options: {
  readonly config: ResolverConfig
  readonly hosts: HostsTable
  readonly exchange: Exchange
  /** Where questions wait for their turn to be asked; by default they do not. */
  readonly slots?: SlotShare
  /** Milliseconds, for the age of what is cached; by default the process's monotonic clock. */
  readonly now?: () => number
}): Forwarder {
  const { config, hosts, exchange } = options
  const cache = createAnswerCache(options.now ?? (() => performance.now()))

  const asking = new Map<string, { readonly reply: Promise<Message | DnsError>; readonly signal: AbortSignal }>()

  const ask = async (question: Question, signal: AbortSignal): Promise<Message | DnsError> => {
    const cached = cache.get(question)
    if (cached !== undefined) return cached
    const key = questionKey(question)
    // One at a time: a forged reply must not have as many open questions to hit as somebody asks (RFC 5452 section 5).
    for (let same = asking.get(key); same !== undefined; same = asking.get(key)) {
      const reply = await same.reply
      if (!(reply instanceof DnsError) || !same.signal.aborted || signal.aborted) return reply
    }
    const reply = inTurn(question, signal).finally(() => asking.delete(key))
    asking.set(key, { reply, signal })
    const result = await reply
    if (!(result instanceof DnsError)) cache.put(question, result)
    return result
  }

  const inTurn = async (question: Question, signal: AbortSignal): Promise<Message | DnsError> => {
    if (options.slots === undefined) return await askServers(question, signal)
    try {
      return await options.slots.run(() => askServers(question, signal), { patience: config.timeout, signal })
    } catch (error) {
      if (error instanceof DnsError) return error
      if (signal.aborted) return new DnsError('DNS_UPSTREAM', 'called off', { cause: error })
      throw error
    }
  }

  const askServers = async (question: Question, signal: AbortSignal): Promise<Message | DnsError> => {
    let failure = new DnsError('DNS_UPSTREAM', 'no upstream server in resolv.conf')
    let refusal: Message | undefined
    for (let attempt = 0; attempt <= config.attempts && !signal.aborted; attempt++) {
      for (const servers of groups(config.servers, serversAtOnce)) {
        const result = await firstUsable(servers, (server, stop) =>
          exchange(server, question, {
            timeout: config.timeout,
            edns: config.edns0 ? edns : undefined,
            signal: AbortSignal.any([signal, stop])
          })
        )
        if (result.usable !== undefined) return result.usable
        refusal = result.refusal ?? refusal
        failure = result.failure ?? failure
      }
      // A server that answered, though with an error, is not asked again; silence may be a lost datagram.
      if (refusal !== undefined) return refusal
    }
    return failure
  }

  const forward: Forwarder['forward'] = async (question, { signal }) => {
    const known = withoutServer(question, hosts)
    if (known !== undefined) return known
    const collected: DnsRecord[] = []
    let asked = question
    for (let depth = 0; depth < maxCnameDepth; depth++) {
      const reply = await ask(asked, signal)
      if (reply instanceof DnsError) return none(rcode.servFail, reply.message)
      collected.push(...reply.answers)
      if (collected.length === 0) return none(reply.rcode, describe(reply.rcode))
      const target = missingEnd(question, collected)
      if (target === undefined || reply.rcode !== rcode.noError || target.equals(asked.wire)) {
        return { kind: 'answers', answers: collected, additionals: reply.additionals }
      }
      asked = { ...question, wire: target, name: nameText(target) }
    }
    return { kind: 'answers', answers: collected, additionals: [] }
  }
  return { forward }
}

/** Where the CNAME chain of an answer leads when the record asked for is not at its end. */
function missingEnd(question: Question, answers: readonly DnsRecord[]): Buffer | undefined {
  if (question.type === recordType.CNAME) return undefined
  const byOwner = new Map(
    answers.filter(({ type }) => type === recordType.CNAME).map(record => [nameText(record.wire), record.data])
  )
  let owner = question.name
  let target: Buffer | undefined
  for (let i = 0; i <= answers.length; i++) {
    const next = byOwner.get(owner)
    if (next === undefined) break
    target = lowerCaseWire(next)
    owner = nameText(target)
  }
  const found = answers.some(({ type, wire }) => type === question.type && nameText(wire) === owner)
  return found ? undefined : target
}

function withoutServer(question: Question, hosts: HostsTable): ForwardResult | undefined {
  const listed = hosts.lookup(question.name, question.type)
  const special = listed === undefined ? specialName(question.name, question.type) : undefined
  const data = listed ?? special?.data
  if (data === undefined) return undefined
  if (data.length === 0) return none(rcode[special?.rcode ?? 'noError'], 'no records found')
  const answers = data.map(each => ({
    wire: question.wire,
    type: question.type,
    class: internet,
    ttl: localTtl,
    data: each
  }))
  return { kind: 'answers', answers, additionals: [] }
}

interface GroupResult {
  /** Answers, or a clear no (NXDOMAIN). */
  readonly usable?: Message
  /** Another error rcode: some other server may know more. */
  readonly refusal?: Message
  readonly failure?: DnsError
}

/** Asks all at once and takes the first usable reply; the others are called off. */
async function firstUsable(
  servers: readonly UpstreamServer[],
  ask: (server: UpstreamServer, stop: AbortSignal) => Promise<Message>
): Promise<GroupResult> {
  const stop = new AbortController()
  let refusal: Message | undefined
  let failure: DnsError | undefined
  const tries = servers.map(async server => {
    try {
      const reply = await ask(server, stop.signal)
      if (reply.rcode === rcode.noError || reply.rcode === rcode.nxDomain) return reply
      refusal = reply
    } catch (error) {
      if (!(error instanceof DnsError)) throw error
      failure ??= error
    }
    throw new DnsError('DNS_UPSTREAM', 'not usable')
  })
  try {
    return { usable: await Promise.any(tries) }
  } catch {
    return { ...(refusal === undefined ? {} : { refusal }), ...(failure === undefined ? {} : { failure }) }
  } finally {
    stop.abort()
  }
}

function groups<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}

function none(code: number, reason: string): ForwardResult {
  return { kind: 'none', rcode: code, reason }
}

function describe(code: number): string {
  const names = ['no records found', 'FORMERR', 'SERVFAIL', 'no such domain', 'NOTIMP', 'REFUSED']
  return names[code] ?? `rcode ${code}`
}

import { randomBytes, randomInt } from 'node:crypto'
import dgram from 'node:dgram'
import { bindUdp, connectTcp, type Netns } from '@culvert/netns'
import { headerBytes, lowerCaseWire } from './domain-name.ts'
import { DnsError } from './errors.ts'
import { type Edns, type Message, type Question, rcode, readHeader, readMessage } from './message.ts'
import { createFrameReader, frame } from './tcp-frames.ts'
import { writeQuery } from './write-message.ts'

export interface UpstreamServer {
  readonly ip: string
  readonly port: number
}

/** Asks one server. Rejects with DNS_UPSTREAM_TIMEOUT or DNS_UPSTREAM. */
export type Exchange = (server: UpstreamServer, question: Question, options: ExchangeOptions) => Promise<Message>

export interface ExchangeOptions {
  /** Milliseconds, for UDP and TCP together. */
  readonly timeout: number
  readonly edns: Edns | undefined
  readonly signal: AbortSignal
}

export interface ExchangeSettings {
  /** SO_MARK of the sockets; 0 for none. */
  readonly mark: number
  /**
   * Over UDP names go in a mixture of upper and lower case, new for each query: one more thing to guess for who forges a
   * reply (draft-vixie-dnsext-dns0x20). A server that repeats the question in another mixture is asked over TCP.
   */
  readonly randomCase?: boolean
}

/**
 * UDP first, TCP after a truncated reply, from sockets made in the namespace. Every query has a new socket, so the
 * kernel chooses its port, and a random id: a forged reply must hit both, the server's address, and the question.
 */
export function createExchange(netns: Netns | undefined, { mark, randomCase = false }: ExchangeSettings): Exchange {
  return async (server, question, options) => {
    const timer = AbortSignal.timeout(options.timeout)
    const signal = AbortSignal.any([timer, options.signal])
    try {
      const wire = randomCase ? mixedCase(question.wire) : question.wire
      const reply = await overUdp(netns, mark, server, { ...question, wire }, options.edns, signal)
      return reply === 'other case' || reply.truncated
        ? await overTcp(netns, mark, server, question, options.edns, signal)
        : reply
    } catch (cause) {
      const where = `${server.ip}:${server.port}`
      if (timer.aborted) throw new DnsError('DNS_UPSTREAM_TIMEOUT', `no answer from ${where} in time`, { cause })
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new DnsError('DNS_UPSTREAM', `${where}: ${reason}`, { cause })
    }
  }
}

function overUdp(
  netns: Netns | undefined,
  mark: number,
  server: UpstreamServer,
  question: Question,
  edns: Edns | undefined,
  signal: AbortSignal
): Promise<Message | 'other case'> {
  signal.throwIfAborted()
  const ipv6 = server.ip.includes(':')
  const id = randomInt(0x10000)
  const fd = bindUdp(netns, { ip: ipv6 ? '::' : '0.0.0.0', port: 0, mark })
  const socket = dgram.createSocket(ipv6 ? 'udp6' : 'udp4')
  return new Promise<Message | 'other case'>((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    socket.once('close', () => signal.removeEventListener('abort', abort))
    socket.on('error', reject)
    socket.on('message', bytes => {
      const reply = matchingReply(bytes, id, question)
      if (reply instanceof DnsError) reject(reply)
      else if (reply !== undefined) resolve(reply)
    })
    socket.bind({ fd }, () => {
      // Connected: the kernel drops datagrams of anybody else, and reports unreachable ports.
      socket.connect(server.port, server.ip, (error?: Error) => {
        if (error !== undefined && error !== null) return reject(error)
        socket.send(writeQuery({ id, wire: question.wire, type: question.type, class: question.class, edns }))
      })
    })
  }).finally(() => socket.close())
}

async function overTcp(
  netns: Netns | undefined,
  mark: number,
  server: UpstreamServer,
  question: Question,
  edns: Edns | undefined,
  signal: AbortSignal
): Promise<Message> {
  const id = randomInt(0x10000)
  const socket = await connectTcp(netns, server, { mark, signal })
  return await new Promise<Message>((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    socket.once('close', () => {
      signal.removeEventListener('abort', abort)
      reject(new DnsError('DNS_UPSTREAM', 'connection closed before the reply'))
    })
    socket.on('error', reject)
    const frames = createFrameReader()
    socket.on('data', (chunk: Buffer) => {
      for (const bytes of frames.push(chunk)) {
        const reply = matchingReply(bytes, id, question)
        if (reply instanceof DnsError) reject(reply)
        else if (reply !== undefined && reply !== 'other case') resolve(reply)
      }
    })
    socket.write(frame(writeQuery({ id, wire: question.wire, type: question.type, class: question.class, edns })))
  }).finally(() => socket.destroy())
}

/** Each letter of a name in lower case as chance has it. Length bytes are below 64 and so never letters. */
function mixedCase(wire: Buffer): Buffer {
  const bits = randomBytes(wire.length)
  return Buffer.from(
    wire.map((byte, at) => (byte >= 0x61 && byte <= 0x7a ? byte - 0x20 * ((bits[at] ?? 0) & 1) : byte))
  )
}

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

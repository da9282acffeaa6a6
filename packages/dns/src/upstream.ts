import { randomBytes, randomInt } from 'node:crypto'
import dgram from 'node:dgram'
import type { EventEmitter } from 'node:events'
import { bindUdp, connectTcp, type Netns } from '@culvert/netns'
import { DnsError } from './errors.ts'
import { matchingReply } from './matching-reply.ts'
import type { Edns, Message, Question } from './message.ts'
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
  return async (server, question, { timeout, edns, signal }) => {
    const timer = AbortSignal.timeout(timeout)
    const query: Query = { netns, mark, server, question, edns, signal: AbortSignal.any([timer, signal]) }
    try {
      const wire = randomCase ? mixedCase(question.wire) : question.wire
      const reply = await overUdp({ ...query, question: { ...question, wire } })
      return reply === 'other case' || reply.truncated ? await overTcp(query) : reply
    } catch (cause) {
      const where = `${server.ip}:${server.port}`
      if (timer.aborted) throw new DnsError('DNS_UPSTREAM_TIMEOUT', `no answer from ${where} in time`, { cause })
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new DnsError('DNS_UPSTREAM', `${where}: ${reason}`, { cause })
    }
  }
}

/** A question, whom it goes to, and from where. */
interface Query {
  readonly netns: Netns | undefined
  readonly mark: number
  readonly server: UpstreamServer
  readonly question: Question
  readonly edns: Edns | undefined
  readonly signal: AbortSignal
}

function overUdp({ netns, mark, server, question, edns, signal }: Query): Promise<Message | 'other case'> {
  signal.throwIfAborted()
  const ipv6 = server.ip.includes(':')
  const id = randomInt(0x10000)
  const fd = bindUdp(netns, { ip: ipv6 ? '::' : '0.0.0.0', port: 0, mark })
  const socket = dgram.createSocket(ipv6 ? 'udp6' : 'udp4')
  return new Promise<Message | 'other case'>((resolve, reject) => {
    rejectOnAbort(socket, signal, reject)
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
        socket.send(writeQuery({ ...question, id, edns }))
      })
    })
  }).finally(() => socket.close())
}

async function overTcp({ netns, mark, server, question, edns, signal }: Query): Promise<Message> {
  const id = randomInt(0x10000)
  const socket = await connectTcp(netns, server, { mark, signal })
  return await new Promise<Message>((resolve, reject) => {
    rejectOnAbort(socket, signal, reject)
    socket.once('close', () => reject(new DnsError('DNS_UPSTREAM', 'connection closed before the reply')))
    socket.on('error', reject)
    const frames = createFrameReader()
    socket.on('data', (chunk: Buffer) => {
      for (const bytes of frames.push(chunk)) {
        const reply = matchingReply(bytes, id, question)
        if (reply instanceof DnsError) reject(reply)
        else if (reply !== undefined && reply !== 'other case') resolve(reply)
      }
    })
    socket.write(frame(writeQuery({ ...question, id, edns })))
  }).finally(() => socket.destroy())
}

function rejectOnAbort(socket: EventEmitter, signal: AbortSignal, reject: (reason: unknown) => void): void {
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', abort))
}

/** Each letter of a name in lower case as chance has it. Length bytes are below 64 and so never letters. */
function mixedCase(wire: Buffer): Buffer {
  const bits = randomBytes(wire.length)
  return Buffer.from(
    wire.map((byte, at) => (byte >= 0x61 && byte <= 0x7a ? byte - 0x20 * ((bits[at] ?? 0) & 1) : byte))
  )
}

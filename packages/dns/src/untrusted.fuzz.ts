import assert from 'node:assert/strict'
import { accepted, assertPlainText, type FuzzTarget } from '@culvert/testing'
import packet, { type Packet } from 'dns-packet'
import { createAnswerCache } from './answer-cache.ts'
import { headerBytes } from './domain-name.ts'
import { createDnsProxy, type DnsProxy, questionFor } from './index.ts'
import { lookUp } from './look-up.ts'
import { matchingReply } from './matching-reply.ts'
import { type DnsRecord, type Message, readMessage, recordType } from './message.ts'
import { createFrameReader, frame } from './tcp-frames.ts'
import { writeQuery, writeReply } from './write-message.ts'

const edns = { udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] } as const
const soa = { mname: 'a.example', rname: 'b.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 }
const packets: readonly Packet[] = [
  { type: 'query', id: 7, flags: 0x100, questions: [{ type: 'A', name: 'cart.shop' }] },
  {
    type: 'query',
    id: 7,
    questions: [{ type: 'AAAA', name: 'cart.shop.svc.cluster.local.shop.svc.cluster.local' }],
    additionals: [{ type: 'OPT', name: '.', ...edns, options: [] }]
  },
  {
    type: 'response',
    id: 7,
    questions: [{ type: 'A', name: 'a.example' }],
    answers: [
      { type: 'CNAME', name: 'a.example', ttl: 9, data: 'b.example' },
      { type: 'A', name: 'b.example', ttl: 9, data: '192.0.2.9' },
      { type: 'MX', name: 'b.example', ttl: 9, data: { preference: 1, exchange: 'mx.example' } },
      { type: 'SRV', name: 'b.example', ttl: 9, data: { port: 1, target: 'srv.example' } },
      { type: 'TXT', name: 'b.example', ttl: 9, data: 'text' }
    ],
    authorities: [{ type: 'SOA', name: 'example', ttl: 3, data: soa }],
    additionals: [{ type: 'OPT', name: '.', ...edns, options: [] }]
  },
  // A refusal to cache.
  {
    type: 'response',
    id: 7,
    flags: 3,
    questions: [{ type: 'A', name: 'gone.example' }],
    authorities: [{ type: 'SOA', name: 'example', ttl: 3, data: soa }]
  }
]
const seeds = packets.map(each => Buffer.from(packet.encode(each)))
const words = [
  ...[headerBytes, 0x0f, 0x20, 0x3fff].map(offset => Buffer.of(0xc0 | (offset >> 8), offset & 0xff)),
  ...Object.values(recordType).map(type => Buffer.of(0, type, 0, 1)),
  Buffer.of(63, ...Buffer.alloc(63, 'x')),
  Buffer.from('\x04cart\x04shop\0', 'latin1')
]

const read = (bytes: Buffer): Message | undefined => accepted(() => readMessage(bytes), 'DNS_BAD_MESSAGE')

/** Without what a reply of ours does not carry over. */
const shown = ({ wire, type, class: classNumber, ttl, data }: DnsRecord): string =>
  [wire.toString('hex'), type, classNumber, ttl, data.toString('hex')].join(' ')

const message: FuzzTarget = {
  name: 'dns-message',
  seeds,
  words,
  run(input) {
    const got = read(input)
    if (got === undefined) return false
    for (const { name } of got.questions) assertPlainText(name, 4 * 255)
    for (const { type, class: classNumber, data } of [...got.answers, ...got.additionals]) {
      if (type === recordType.A && classNumber === 1) assert.equal(data.length, 4)
    }
    // What we would pass on is what we were given, or a beginning of it.
    const { answers, additionals, questionBytes, questions, edns } = got
    const reply = { ...got, recursionAvailable: true, questionBytes, questionCount: questions.length }
    const written = writeReply({ ...reply, answers, additionals, edns }, 65_535)
    const again = read(written)
    assert.ok(again !== undefined, 'our own reply cannot be read')
    const complete = written.length < 60_000
    if (complete) assert.equal(again.truncated, false)
    assert.deepEqual(again.answers.map(shown), answers.slice(0, again.answers.length).map(shown))
    if (complete) assert.equal(again.answers.length, answers.length)
    assert.deepEqual(again.additionals.map(shown), additionals.slice(0, again.additionals.length).map(shown))
    assert.deepEqual(again.questions, questions)
    return true
  }
}

const services = [
  {
    hostname: 'cart.shop.svc.cluster.local',
    namespace: 'shop',
    vips: [{ network: '', address: '10.96.0.1' }],
    canonical: true,
    visibility: 'Public',
    ipFamilies: undefined,
    endpointAddresses: () => []
  },
  {
    hostname: '*.example',
    namespace: 'shop',
    vips: [],
    canonical: true,
    visibility: 'Public',
    ipFamilies: undefined,
    endpointAddresses: () => ['192.0.2.1']
  }
] as const

/** A proxy whose upstream server says what `upstream` says. */
function proxyWith(upstream: () => Buffer): DnsProxy {
  return createDnsProxy({
    clusterDomain: 'cluster.local',
    preferredNamespace: undefined,
    ipv6: true,
    client: async () => ({ namespace: 'shop', network: '' }),
    services: { servicesByHostname: hostname => services.filter(service => service.hostname === hostname) },
    forwarder: {
      forward: async () => {
        const { answers = [], additionals = [] } = read(upstream()) ?? {}
        return answers.length > 0
          ? { kind: 'answers', answers, additionals }
          : { kind: 'none', rcode: 2, reason: 'nothing' }
      }
    },
    observe: ({ domain, result }) => {
      assertPlainText(domain, 4 * 256)
      assertPlainText(result)
    }
  })
}

const signal = new AbortController().signal
const goodQuery = seeds[0]!

/** A query after its length (16 bits), and what an upstream server answers to it. */
const proxy: FuzzTarget = {
  name: 'dns-proxy',
  seeds: seeds.map((query, i) => Buffer.concat([frame(query), seeds[(i + 2) % seeds.length]!])),
  words,
  maxBytes: 8_192,
  async run(input) {
    const length = input.length < 2 ? 0 : input.readUInt16BE(0)
    const query = input.subarray(2, 2 + length)
    const dns = proxyWith(() => input.subarray(2 + length))
    let answered = false
    for (const protocol of ['udp', 'tcp'] as const) {
      const reply = await dns.answer(query, protocol, signal)
      if (reply === undefined) continue
      const asked = read(query)
      // An error repeats the questions, however many they were.
      const udpLimit = Math.max(512, asked?.edns?.payloadSize ?? 4_096, query.length)
      const limit = protocol === 'udp' ? udpLimit : 65_535
      assert.ok(reply.length <= limit, `a reply of ${reply.length} octets where ${limit} fit`)
      const got = readMessage(reply)
      assert.equal(got.id, query.readUInt16BE(0))
      assert.equal(got.response, true)
      answered ||= got.rcode === 0
    }
    const good = readMessage((await dns.answer(goodQuery, 'udp', signal))!)
    assert.deepEqual(good.answers[0]?.data, Buffer.of(10, 96, 0, 1))
    return answered
  }
}

const question = questionFor('a.example', 'A')
const mixedWire = Buffer.from('\x01A\x07eXampLe\0', 'latin1')

/** An upstream server's reply to a question of ours, and then from the cache. */
const upstream: FuzzTarget = {
  name: 'dns-upstream',
  seeds: [...seeds, writeQuery({ id: 7, wire: question.wire, type: 1, class: 1, edns: undefined })],
  words,
  run(input) {
    const reply = matchingReply(input, 7, question)
    // Only who asked in mixed case can be answered in another mixture; the question is then the same.
    assert.notEqual(reply, 'other case')
    const toMixed = matchingReply(input, 7, { ...question, wire: mixedWire })
    if (typeof toMixed === 'object' && 'questions' in toMixed && toMixed.questions.length === 1) {
      assert.deepEqual(toMixed.questions[0]?.wire, question.wire)
    }
    if (reply === undefined || typeof reply === 'string') return false
    if (reply instanceof Error) {
      assertPlainText(reply.message)
      return false
    }
    assert.equal(reply.id, 7)
    if (reply.answers.length > 0) assert.deepEqual(reply.questions[0]?.wire, question.wire)
    let now = 0
    const cache = createAnswerCache(() => now)
    cache.put(question, reply)
    const cached = cache.get(question)
    if (cached !== undefined) assert.deepEqual(cached.questionBytes, reply.questionBytes)
    now = 86_400_000
    assert.equal(cache.get(question), undefined)
    return true
  }
}

/** A stream over TCP: the first octet says how it comes in pieces. */
const frames: FuzzTarget = {
  name: 'dns-tcp-frames',
  seeds: [
    Buffer.concat([Buffer.of(3), ...seeds.map(frame)]),
    // Octet by octet, which once had each copied as often as there were more.
    Buffer.concat([Buffer.of(0), frame(Buffer.alloc(65_535))])
  ],
  run(input) {
    const [size = 0] = input
    const stream = input.subarray(1)
    const whole = createFrameReader().push(stream)
    const reader = createFrameReader()
    const pieces: Buffer[] = []
    for (let at = 0; at < stream.length; at += size + 1) pieces.push(...reader.push(stream.subarray(at, at + size + 1)))
    assert.equal(pieces.length, whole.length)
    for (const [at, piece] of pieces.entries()) assert.ok(piece.equals(whole[at]!), `message ${at} in pieces`)
    const again = Buffer.concat(whole.map(frame))
    assert.ok(again.equals(stream.subarray(0, again.length)), 'not what came')
    return whole.length > 0
  }
}

const noUpstream = proxyWith(() => Buffer.alloc(0))

/** A name that a SOCKS5 client asks to be connected to: any text. */
const name: FuzzTarget = {
  name: 'dns-look-up',
  seeds: ['cart.shop', 'x.example', 'bücher.example', `${'a'.repeat(63)}.example.`, '10.0.0.1', 'a..b'].map(text =>
    Buffer.from(text)
  ),
  words: ['.', '..', '\0', 'xn--', '\u3002', '\u00ad', 'ß', '%2e', '/', '\\'].map(word => Buffer.from(word)),
  async run(input) {
    const text = input.toString()
    for (const family of ['A', 'AAAA'] as const) {
      for (const address of await lookUp(noUpstream, text, family, { signal })) {
        assert.equal(address.includes(':'), family === 'AAAA')
      }
    }
    assert.deepEqual(await lookUp(noUpstream, 'cart.shop', 'A', { signal }), ['10.96.0.1'])
    return (await lookUp(noUpstream, text, 'A', { signal })).length > 0
  }
}

export const targets: readonly FuzzTarget[] = [message, proxy, upstream, frames, name]

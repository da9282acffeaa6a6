import packet, { type Packet } from 'dns-packet'
import { describe, expect, it } from 'vitest'
import { createAnswerCache } from './answer-cache.ts'
import { DnsError } from './errors.ts'
import { createDnsProxy, questionFor } from './index.ts'
import { type Message, readMessage, recordType } from './message.ts'

/** mulberry32: the same numbers below `limit` for the same seed. */
function seeded(seed: number): (limit: number) => number {
  let state = seed
  return limit => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

const samples: readonly Packet[] = [
  { type: 'query', id: 7, flags: 0x100, questions: [{ type: 'A', name: 'cart.shop' }] },
  {
    type: 'query',
    id: 7,
    questions: [{ type: 'AAAA', name: 'a.example' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1232,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: []
      }
    ]
  },
  {
    type: 'response',
    id: 7,
    questions: [{ type: 'A', name: 'a.example' }],
    answers: [
      { type: 'CNAME', name: 'a.example', ttl: 9, data: 'b.example' },
      { type: 'A', name: 'b.example', ttl: 9, data: '192.0.2.9' },
      { type: 'MX', name: 'b.example', ttl: 9, data: { preference: 1, exchange: 'mx.example' } }
    ],
    authorities: [
      {
        type: 'SOA',
        name: 'example',
        ttl: 3,
        data: { mname: 'a.example', rname: 'b.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 }
      }
    ]
  }
]

/** A sample with some bytes replaced, some pointers put in, and sometimes an end cut off. */
function damaged(next: (limit: number) => number): Buffer {
  const bytes = Buffer.from(packet.encode(samples[next(samples.length)]!))
  for (let changes = next(6); changes > 0; changes--) {
    const at = next(bytes.length)
    if (next(3) === 0 && at + 1 < bytes.length) bytes.writeUInt16BE(0xc000 | next(64), at)
    else bytes[at] = next(256)
  }
  return next(4) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes
}

function tryRead(bytes: Buffer): Message | undefined {
  try {
    return readMessage(bytes)
  } catch (error) {
    if (!(error instanceof DnsError) || error.code !== 'DNS_BAD_MESSAGE') throw error
    return undefined
  }
}

describe.each([1, 2, 3])('damaged messages, seed %i', seed => {
  it('are read or refused, and are cached or not', () => {
    const next = seeded(seed)
    const cache = createAnswerCache(() => 0)
    let read = 0
    for (let i = 0; i < 5_000; i++) {
      const reply = tryRead(damaged(next))
      if (reply === undefined) continue
      read++
      for (const { type, class: classNumber, data } of reply.answers) {
        if (type === recordType.A && classNumber === 1) expect(data).toHaveLength(4)
      }
      const question = reply.questions[0] ?? questionFor('a.example', 'A')
      cache.put(question, reply)
      cache.get(question)
    }
    expect(read).toBeGreaterThan(100)
    expect(read).toBeLessThan(4_900)
  })

  it('get a reply that can be read and fits, or none', async () => {
    const next = seeded(seed)
    const proxy = createDnsProxy({
      clusterDomain: 'cluster.local',
      preferredNamespace: undefined,
      ipv6: true,
      client: async () => ({ namespace: 'shop', network: '' }),
      services: { servicesByHostname: () => [] },
      // What an upstream server might have made of it.
      forwarder: {
        forward: async () => {
          const { answers = [], additionals = [] } = tryRead(damaged(next)) ?? {}
          return answers.length > 0
            ? { kind: 'answers', answers, additionals }
            : { kind: 'none', rcode: 2, reason: 'nothing' }
        }
      },
      observe: () => {}
    })
    for (let i = 0; i < 5_000; i++) {
      const query = damaged(next)
      const reply = await proxy.answer(query, 'udp', new AbortController().signal)
      if (reply === undefined) continue
      expect(reply.length).toBeLessThanOrEqual(65_535)
      expect(readMessage(reply)).toMatchObject({ response: true, id: query.readUInt16BE(0) })
    }
  })
})

import packet, { type Answer, type Packet } from 'dns-packet'
import { describe, expect, it } from 'vitest'
import { createAnswerCache } from './answer-cache.ts'
import { createFairSlots, createForwarder, DnsError, type ForwardResult, parseHosts, questionFor } from './index.ts'
import { type Message, rcode, readMessage, recordType } from './message.ts'

const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'example',
  ttl,
  data: { mname: 'a.example', rname: 'b.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum }
})
const address = (name: string, ttl: number): Answer => ({ type: 'A', name, ttl, data: '192.0.2.7' })

const message = (rest: Packet, code = 0): Message =>
  readMessage(packet.encode({ type: 'response', id: 1, flags: 0x180 | code, ...rest }))

/** A forwarder over one server, with a clock in seconds. */
function start(reply: (name: string) => Message): {
  forward: (name: string) => Promise<ForwardResult>
  asked: string[]
  clock: { seconds: number }
} {
  const clock = { seconds: 1_000 }
  const asked: string[] = []
  const forwarder = createForwarder({
    config: { servers: [{ ip: '192.0.2.1', port: 53 }], search: [], timeout: 1_000, attempts: 0, edns0: false },
    hosts: parseHosts(''),
    exchange: async (_server, { name }) => {
      asked.push(name)
      return reply(name)
    },
    now: () => clock.seconds * 1_000
  })
  const forward = (name: string): Promise<ForwardResult> =>
    forwarder.forward(questionFor(name, 'A'), { signal: new AbortController().signal })
  return { forward, asked, clock }
}

const ttls = (result: ForwardResult): readonly number[] =>
  result.kind === 'answers' ? result.answers.map(({ ttl }) => ttl) : []

it('says so when no question of a client can be asked any more', async () => {
  const slots = createFairSlots({ all: 1, each: 1 })
  const free = Promise.withResolvers<void>()
  const holding = slots.share().run(() => free.promise, { patience: 0, signal: new AbortController().signal })
  const forwarder = createForwarder({
    config: { servers: [{ ip: '192.0.2.1', port: 53 }], search: [], timeout: 1, attempts: 0, edns0: false },
    hosts: parseHosts(''),
    exchange: async () => message({ answers: [address('a.example', 0)] }),
    slots: slots.share()
  })
  const forward = (): Promise<ForwardResult> =>
    forwarder.forward(questionFor('a.example', 'A'), { signal: new AbortController().signal })
  const reason = 'too many questions wait for an answer'
  expect(await forward()).toEqual({ kind: 'none', rcode: rcode.servFail, reason })
  free.resolve()
  await holding
  expect(await forward()).toMatchObject({ kind: 'answers' })
})

describe('one question that several wait for', () => {
  it('is asked again by those who are left when the first gives up', async () => {
    const asked: AbortSignal[] = []
    const forwarder = createForwarder({
      config: { servers: [{ ip: '192.0.2.1', port: 53 }], search: [], timeout: 60_000, attempts: 0, edns0: false },
      hosts: parseHosts(''),
      exchange: (_server, _question, { signal }) => {
        asked.push(signal)
        if (asked.length > 1) return Promise.resolve(message({ answers: [address('a.example', 9)] }))
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new DnsError('DNS_UPSTREAM', 'called off')))
        )
      }
    })
    const [first, second] = [new AbortController(), new AbortController()]
    const results = [first, second].map(({ signal }) => forwarder.forward(questionFor('a.example', 'A'), { signal }))
    await new Promise(resolve => setImmediate(resolve))
    expect(asked).toHaveLength(1)
    first.abort()
    expect(await Promise.all(results)).toMatchObject([{ kind: 'none' }, { kind: 'answers' }])
    expect(asked).toHaveLength(2)
  })
})

describe('answers that were asked for before', () => {
  it('come from memory, counted down, until the shortest TTL is over', async () => {
    const { forward, asked, clock } = start(name =>
      message({ answers: [address(name, 60), address(name, 300)], additionals: [address('other.example', 90)] })
    )
    expect(ttls(await forward('www.example'))).toEqual([60, 300])
    clock.seconds += 59.9
    const cached = await forward('WWW.example')
    expect(ttls(cached)).toEqual([1, 241])
    expect(cached).toMatchObject({ additionals: [{ ttl: 31 }] })
    expect(asked).toEqual(['www.example'])
    clock.seconds += 0.1
    expect(ttls(await forward('www.example'))).toEqual([60, 300])
    expect(asked).toHaveLength(2)
  })

  it('are kept for a day at most', async () => {
    const { forward, asked, clock } = start(name => message({ answers: [address(name, 1_000_000)] }))
    await forward('www.example')
    clock.seconds += 86_399
    expect(ttls(await forward('www.example'))).toEqual([1])
    clock.seconds += 1
    await forward('www.example')
    expect(asked).toHaveLength(2)
  })

  it('are kept by name and type', async () => {
    const { forward, asked } = start(name => message({ answers: [address(name, 60)] }))
    for (const name of ['a.example', 'b.example', 'a.example', 'b.example']) await forward(name)
    expect(asked).toEqual(['a.example', 'b.example'])
  })

  it('are kept for each step of a CNAME chain', async () => {
    const { forward, asked, clock } = start(name =>
      message({
        answers: [
          name === 'a.example' ? { type: 'CNAME', name, ttl: 100, data: 'b.example' } : address('b.example', 10)
        ]
      })
    )
    expect(ttls(await forward('a.example'))).toEqual([100, 10])
    clock.seconds += 20
    expect(ttls(await forward('a.example'))).toEqual([80, 10])
    expect(asked).toEqual(['a.example', 'b.example', 'b.example'])
  })

  it.each([
    { title: 'NXDOMAIN for the lesser of the two times of its SOA', code: rcode.nxDomain, soa: soa(30, 20), kept: 20 },
    { title: 'NXDOMAIN for the TTL of its SOA', code: rcode.nxDomain, soa: soa(15, 20), kept: 15 },
    { title: 'no records likewise', code: rcode.noError, soa: soa(30, 20), kept: 20 },
    { title: 'NXDOMAIN without an SOA not at all', code: rcode.nxDomain, soa: undefined, kept: 0 },
    { title: 'SERVFAIL not at all', code: rcode.servFail, soa: soa(30, 20), kept: 0 }
  ])('that deny: $title', async ({ code, soa: record, kept }) => {
    const { forward, asked, clock } = start(() => message({ authorities: record === undefined ? [] : [record] }, code))
    const first = await forward('none.example')
    expect(first).toMatchObject({ kind: 'none', rcode: code })
    clock.seconds += Math.max(0, kept - 1)
    expect(await forward('none.example')).toEqual(first)
    expect(asked).toHaveLength(kept > 0 ? 1 : 2)
    clock.seconds += 1
    await forward('none.example')
    expect(asked).toHaveLength(kept > 0 ? 2 : 3)
  })
})

it('leaves out names of the hosts file that no message can hold', () => {
  const hosts = parseHosts(`10.1.1.1 ${'x'.repeat(64)} a..b good.example`)
  expect(hosts.lookup('1.1.1.10.in-addr.arpa', recordType.PTR)).toEqual([questionFor('good.example', 'A').wire])
  expect(hosts.lookup('x'.repeat(64), recordType.A)).toBeUndefined()
})

it('keeps 8,192 answers, the newest, and none of over 1,232 bytes', () => {
  const cache = createAnswerCache(() => 0)
  const small = message({ answers: [address('a.example', 60)] })
  for (let i = 0; i <= 8_192; i++) cache.put(questionFor(`n${i}.example`, 'A'), small)
  expect(cache.get(questionFor('n0.example', 'A'))).toBeUndefined()
  expect(cache.get(questionFor('n1.example', 'A'))).toBeDefined()
  expect(cache.get(questionFor('n8192.example', 'A'))).toBeDefined()
  const big = message({ answers: Array.from({ length: 100 }, () => address('big.example', 60)) })
  cache.put(questionFor('big.example', 'A'), big)
  expect(cache.get(questionFor('big.example', 'A'))).toBeUndefined()
})

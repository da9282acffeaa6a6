import dgram from 'node:dgram'
import { once } from 'node:events'
import packet, { type Packet } from 'dns-packet'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ask, decode, query, response, startServer, startUpstream } from './server.test-helper.ts'

describe('forwarding', () => {
  it('[observability-dns-21] asks the upstream once with the name as it is and answers without AA', async () => {
    const upstream = await startUpstream(asked => [
      response(asked, { answers: [{ type: 'A', name: 'www.example.org', ttl: 60, data: '192.0.2.7' }] })
    ])
    const { port, outcomes } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('WWW.example.org'))
    expect(upstream.asked.map(({ questions }) => questions)).toMatchObject([[{ name: 'www.example.org', type: 'A' }]])
    expect(reply).toMatchObject({ rcode: 'NOERROR', flag_aa: false, flag_ra: true })
    expect(reply.questions).toMatchObject([{ name: 'WWW.example.org' }])
    expect(reply.answers).toMatchObject([{ name: 'www.example.org', ttl: 60, data: '192.0.2.7' }])
    expect(outcomes).toMatchObject([{ result: 'forwarded', endpoints: 1, upstream: { failed: false } }])
  })

  it('goes to TCP after a truncated reply', async () => {
    const upstream = await startUpstream((asked, protocol) => [
      protocol === 'udp'
        ? response(asked, { flags: 0x380 })
        : response(asked, { answers: [{ type: 'TXT', name: 'big.example.org', ttl: 5, data: ['x'.repeat(200)] }] })
    ])
    const { port } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('big.example.org', 'TXT'))
    expect(reply.answers).toMatchObject([{ type: 'TXT', name: 'big.example.org' }])
    expect([upstream.asked.length, upstream.overTcp.length]).toEqual([1, 1])
  })

  it('does not take a reply with another id, another name, the name in another case, or a denial without it', async () => {
    const answers = (data: string): Packet => ({ answers: [{ type: 'A', name: 'www.example.org', data }] })
    const upstream = await startUpstream(asked => [
      response(asked, { ...answers('192.0.2.1'), id: ((asked.id ?? 0) + 1) % 65_536 }),
      response(asked, { ...answers('192.0.2.2'), questions: [{ name: 'evil.example.org', type: 'A' }] }),
      response(asked, { ...answers('192.0.2.3'), questions: [{ name: 'www.Example.org', type: 'A' }] }),
      // NXDOMAIN, without a question.
      response(asked, { questions: [], flags: 0x183 }),
      response(asked, answers('192.0.2.4'))
    ])
    const { port } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('www.example.org'))
    expect(reply.answers).toMatchObject([{ data: '192.0.2.4' }])
  })

  it('does not take a reply of anybody but the server that was asked', async () => {
    const forger = dgram.createSocket('udp4')
    forger.bind(0, '127.0.0.1')
    await once(forger, 'listening')
    onTestFinished(() => void forger.close())
    const server = dgram.createSocket('udp4')
    const answer = (asked: Packet, data: string): Buffer =>
      packet.encode(response(asked, { answers: [{ type: 'A', name: 'www.example.org', data }] }))
    server.on('message', (bytes, peer) => {
      const asked = decode(bytes)
      // It knows the id, the port and the question.
      forger.send(answer(asked, '192.0.2.1'), peer.port, peer.address, () =>
        server.send(answer(asked, '192.0.2.2'), peer.port, peer.address)
      )
    })
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = await startServer({ upstreams: [server.address().port] })
    expect((await ask(port, query('www.example.org'))).answers).toMatchObject([{ data: '192.0.2.2' }])
  })

  it('asks the same question once, however many wait for its answer', async () => {
    const waiting: (() => void)[] = []
    const udp = dgram.createSocket('udp4')
    udp.on('message', (bytes, peer) => {
      const answers: Packet['answers'] = [{ type: 'A', name: 'x.example', data: '192.0.2.1' }]
      waiting.push(() => udp.send(packet.encode(response(decode(bytes), { answers })), peer.port))
    })
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    onTestFinished(() => void udp.close())
    const { port } = await startServer({ upstreams: [udp.address().port] })
    const replies = Array.from({ length: 20 }, () => ask(port, query('X.example')))
    // Another one, asked after them and so known to the server after them.
    const last = ask(port, query('y.example'))
    await expect.poll(() => waiting.length).toBe(2)
    for (const answer of waiting) answer()
    for (const reply of await Promise.all(replies)) expect(reply.answers).toMatchObject([{ data: '192.0.2.1' }])
    await last
    expect(waiting).toHaveLength(2)
  })

  it('mixes the case of names, where that is wanted, and shows nobody the mixture', async () => {
    const names: string[] = []
    const upstream = await startUpstream(asked => {
      const name = asked.questions?.[0]?.name ?? ''
      names.push(name)
      return [response(asked, { answers: [{ type: 'A', name, data: '192.0.2.7', ttl: 0 }] })]
    })
    const { port, outcomes } = await startServer({ upstreams: [upstream.port], randomCase: true })
    for (let i = 0; i < 4; i++) {
      const reply = await ask(port, query('Www.somewhere.example.org'))
      expect(reply.questions).toMatchObject([{ name: 'Www.somewhere.example.org' }])
      expect(reply.answers).toMatchObject([{ data: '192.0.2.7' }])
      expect(reply.answers?.[0]?.name.toLowerCase()).toBe('www.somewhere.example.org')
    }
    expect(upstream.overTcp).toEqual([])
    expect(new Set(names.map(name => name.toLowerCase()))).toEqual(new Set(['www.somewhere.example.org']))
    // 22 letters: the same mixture four times has no chance.
    expect(new Set(names).size).toBeGreaterThan(1)
    expect(outcomes).toMatchObject(Array(4).fill({ domain: 'www.somewhere.example.org.' }))
  })

  it('asks over TCP where the name comes back in another mixture', async () => {
    const lower = (asked: Packet): Packet => ({
      questions: (asked.questions ?? []).map(question => ({ ...question, name: question.name.toLowerCase() }))
    })
    const upstream = await startUpstream((asked, protocol) => [
      response(asked, {
        ...lower(asked),
        answers: [{ type: 'A', name: 'x', data: protocol === 'udp' ? '192.0.2.1' : '192.0.2.2' }]
      })
    ])
    const { port } = await startServer({ upstreams: [upstream.port], randomCase: true })
    // 40 letters: all of them lower by chance once in 10^12.
    const reply = await ask(port, query('abcdefghijklmnopqrst.abcdefghijklmnopqrst'))
    expect(reply.answers).toMatchObject([{ data: '192.0.2.2' }])
    expect([upstream.asked.length, upstream.overTcp.length]).toEqual([1, 1])
  })

  it('uses a new id and port for each question', async () => {
    const ports = new Set<number>()
    const ids = new Set<number>()
    const udp = dgram.createSocket('udp4')
    udp.on('message', (bytes, peer) => {
      const asked = decode(bytes)
      ports.add(peer.port)
      ids.add(asked.id ?? 0)
      udp.send(
        packet.encode(response(asked, { answers: [{ type: 'A', name: 'x.example', data: '192.0.2.1' }] })),
        peer.port
      )
    })
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    onTestFinished(() => void udp.close())
    const { port } = await startServer({ upstreams: [udp.address().port] })
    for (let i = 0; i < 10; i++) await ask(port, query('x.example'))
    expect(ids.size).toBeGreaterThan(7)
    expect(ports.size).toBeGreaterThan(7)
  })

  it('follows a CNAME whose end is missing', async () => {
    const upstream = await startUpstream(asked => [
      response(asked, {
        answers:
          asked.questions?.[0]?.name === 'a.example'
            ? [{ type: 'CNAME', name: 'a.example', ttl: 9, data: 'b.example' }]
            : [{ type: 'A', name: 'b.example', ttl: 9, data: '192.0.2.9' }]
      })
    ])
    const { port } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('a.example'))
    expect(reply.answers).toMatchObject([
      { type: 'CNAME', data: 'b.example' },
      { type: 'A', name: 'b.example', data: '192.0.2.9' }
    ])
  })

  it.each([
    ['NXDOMAIN', 3],
    ['SERVFAIL', 2],
    ['REFUSED', 5]
  ])('passes %s on with empty sections', async (name, code) => {
    const soa = { mname: 'a.example', rname: 'b.example', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 }
    const upstream = await startUpstream(asked => [
      response(asked, { flags: 0x180 | code, authorities: [{ type: 'SOA', name: 'example', ttl: 3, data: soa }] })
    ])
    const { port, outcomes } = await startServer({ upstreams: [upstream.port] })
    const reply = await ask(port, query('none.example'))
    expect(reply).toMatchObject({ rcode: name, flag_aa: false, flag_ra: false, answers: [], authorities: [] })
    expect(outcomes).toMatchObject([{ endpoints: 0, upstream: { failed: true } }])
  })

  it('asks two servers at once and takes the one that answers', async () => {
    const silent = await startUpstream(() => [])
    const alive = await startUpstream(asked => [
      response(asked, { answers: [{ type: 'A', name: 'x.example', data: '192.0.2.5' }] })
    ])
    const { port } = await startServer({ upstreams: [silent.port, alive.port] })
    expect((await ask(port, query('x.example'))).answers).toMatchObject([{ data: '192.0.2.5' }])
    expect(silent.asked).toHaveLength(1)
  })

  it('answers SERVFAIL when nobody answers in time, after the retries', async () => {
    const silent = await startUpstream(() => [])
    const { port, outcomes } = await startServer({ upstreams: [silent.port], timeout: 50, attempts: 2 })
    expect((await ask(port, query('x.example'))).rcode).toBe('SERVFAIL')
    expect(silent.asked).toHaveLength(3)
    expect(outcomes[0]?.result).toMatch(/^forwarding failed \(no answer from 127.0.0.1:\d+ in time\)$/)
  })

  it.each([
    ['printer.office', 'A', 'NOERROR', ['10.9.9.9']],
    ['9.9.9.10.in-addr.arpa', 'PTR', 'NOERROR', ['printer.office']],
    ['db.localhost', 'A', 'NOERROR', ['127.0.0.1']],
    ['localhost', 'AAAA', 'NOERROR', ['::1']],
    ['1.0.0.127.in-addr.arpa', 'PTR', 'NOERROR', ['localhost']],
    ['x.onion', 'A', 'NXDOMAIN', []],
    ['invalid', 'A', 'NXDOMAIN', []]
  ] as const)('knows %s %s without asking', async (name, type, rcode, data) => {
    const { port } = await startServer({})
    const reply = await ask(port, query(name, type))
    expect(reply).toMatchObject({ rcode, flag_aa: false })
    expect((reply.answers ?? []).map(answer => ('data' in answer ? answer.data : ''))).toEqual(data)
  })
})

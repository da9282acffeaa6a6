import dgram from 'node:dgram'
import { once } from 'node:events'
import packet from 'dns-packet'
import { describe, expect, it } from 'vitest'
import { ask, askTcp, decode, type Decoded, query, response, service, startServer } from './server.test-helper.ts'

describe('local answers', () => {
  it('[observability-dns-20] answers a service of another namespace by its short name', async () => {
    const { port, outcomes } = await startServer({ services: [service('a.ns2.svc.cluster.local')] })
    const reply = await ask(port, query('A.ns2'))
    expect(reply).toMatchObject({
      id: 77,
      rcode: 'NOERROR',
      flag_aa: true,
      flag_ra: true,
      flag_rd: true,
      flag_ad: false
    })
    expect(reply.questions).toMatchObject([{ name: 'A.ns2', type: 'A' }])
    expect(reply.answers).toMatchObject([{ name: 'a.ns2', type: 'A', ttl: 30, data: '10.96.3.3' }])
    expect(outcomes).toMatchObject([{ protocol: 'udp', type: 1, domain: 'a.ns2.', result: 'success', endpoints: 0 }])
  })

  it('names what a stripped search domain left with a CNAME, but not for a wildcard', async () => {
    const { port, outcomes } = await startServer({
      services: [service('a.ns2.svc.cluster.local'), service('*.wild.example')]
    })
    const reply = await ask(port, query('a.ns2.ns1.svc.cluster.local'))
    expect(reply.answers).toMatchObject([
      { name: 'a.ns2.ns1.svc.cluster.local', type: 'CNAME', ttl: 30, data: 'a.ns2' },
      { name: 'a.ns2', type: 'A', ttl: 30, data: '10.96.3.3' }
    ])
    expect(outcomes).toMatchObject([{ result: 'success', endpoints: 1 }])
    const wild = await ask(port, query('q.wild.example.svc.cluster.local'))
    expect(wild.answers).toMatchObject([{ name: 'q.wild.example.svc.cluster.local', type: 'A' }])
    expect(wild.answers).toHaveLength(1)
  })

  it('answers with no records when the name exists without an address of the type or network', async () => {
    const services = [
      service('a.ns2.svc.cluster.local', { ipFamilies: 'IPv4' }),
      service('b.ns2.svc.cluster.local', { vips: [{ network: 'other', address: '10.96.3.3' }] })
    ]
    const { port, outcomes } = await startServer({ services })
    const families = await ask(port, query('a.ns2', 'AAAA'))
    const networks = await ask(port, query('b.ns2'))
    for (const reply of [families, networks]) {
      expect(reply).toMatchObject({ rcode: 'NOERROR', flag_aa: true, answers: [], authorities: [] })
    }
    expect(outcomes.map(({ result }) => result)).toEqual(['service does not support this record type', 'no records'])
  })

  it('[observability-dns-22] answers a headless service with its endpoints in varying order', async () => {
    const endpoints = service('h.ns2.svc.cluster.local', {
      vips: [],
      endpointAddresses: () => ['10.0.0.1', '10.0.0.2']
    })
    const { port } = await startServer({ services: [endpoints] })
    const orders = new Set<string>()
    // The chance that all 40 agree is 2 in 2^40.
    for (let i = 0; i < 40; i++) {
      const reply = await ask(port, query('h.ns2'))
      orders.add((reply.answers ?? []).map(answer => ('data' in answer ? answer.data : '')).join())
    }
    expect([...orders].sort()).toEqual(['10.0.0.1,10.0.0.2', '10.0.0.2,10.0.0.1'])
  })

  it('[observability-dns-25] truncates to the size of the client over UDP and never over TCP', async () => {
    const vips = Array.from({ length: 256 }, (_, i) => ({ network: 'n1', address: `10.96.4.${i}` }))
    const { port } = await startServer({ services: [service('many.ns2.svc.cluster.local', { vips })] })
    const edns = {
      name: '.',
      type: 'OPT' as const,
      udpPayloadSize: 1232,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0x8000,
      flag_do: true,
      options: []
    }
    const socket = dgram.createSocket('udp4')
    socket.send(packet.encode(query('many.ns2', 'A', { additionals: [edns] })), port, '127.0.0.1')
    const [bytes] = (await once(socket, 'message')) as [Buffer]
    socket.close()
    const reply = decode(bytes)
    expect(bytes.length).toBeLessThanOrEqual(1232)
    expect(reply.flag_tc).toBe(true)
    expect(reply.answers?.length).toBeGreaterThan(1)
    expect(reply.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232, flag_do: true }])

    const [whole] = await askTcp(port, [query('many.ns2')])
    expect([whole?.flag_tc, whole?.answers?.length]).toEqual([false, 256])
  })
})

describe('messages that are no good question', () => {
  it('answers FORMERR, NOTIMP and SERVFAIL, and nothing to responses and scraps', async () => {
    const { port, outcomes } = await startServer({})
    const good = packet.encode(query('a.ns2'))
    const socket = dgram.createSocket('udp4')
    const replies: Decoded[] = []
    const done = new Promise<void>(resolve => {
      socket.on('message', bytes => {
        if (replies.push(decode(bytes)) === 3) resolve()
      })
    })
    const variants = [
      good.subarray(0, 11),
      packet.encode(response(query('a.ns2'), {})),
      good.subarray(0, good.length - 3),
      packet.encode(query('a.ns2', 'A', { flags: 0x100 | (4 << 11) })),
      packet.encode(query('a.ns2', 'A', { questions: [] }))
    ]
    for (const bytes of variants) socket.send(bytes, port, '127.0.0.1')
    await done
    socket.close()
    expect(replies.map(reply => `${reply.rcode} ${reply.questions?.length} ${reply.flag_ra}`)).toEqual([
      'FORMERR 0 false',
      'NOTIMP 1 false',
      'SERVFAIL 0 false'
    ])
    expect(outcomes).toEqual([])
  })

  it('does not follow compression pointers in circles', async () => {
    const { port } = await startServer({})
    const looped = packet.encode(query('a'))
    looped[12] = 0xc0
    looped[13] = 12
    expect((await ask(port, looped)).rcode).toBe('FORMERR')
    // Into the header: the byte there would read as the root.
    looped[13] = 4
    expect((await ask(port, looped)).rcode).toBe('FORMERR')
  })

  it('answers SERVFAIL to a client that is not known, and counts it', async () => {
    const { port, outcomes } = await startServer({ client: undefined, services: [service('a.ns2.svc.cluster.local')] })
    expect((await ask(port, query('a.ns2'))).rcode).toBe('SERVFAIL')
    expect(outcomes).toMatchObject([{ client: undefined, upstream: undefined }])
  })
})

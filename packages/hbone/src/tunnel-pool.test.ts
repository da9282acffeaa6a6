import { once } from 'node:events'
import net from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { HboneError, type TunnelPoolOptions } from './index.ts'
import { dial, HboneFixture, readAll } from './testing/hbone-fixture.ts'

describe('a stream through a tunnel', () => {
  it('carries bytes both ways and half-closes', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const { side, responseHeaders } = await fixture.pool().connect(fixture.request(port))
    expect(responseHeaders).toEqual([['baggage', 'service.name=stock']])
    side.duplex.end('hello')
    expect(await readAll(side.duplex)).toBe('hello')
  })

  it('rejects with the status of an answer other than 200', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve({ onStream: stream => stream.answer(401) })
    const pool = fixture.pool()
    await expect(pool.connect(fixture.request(port))).rejects.toMatchObject({ code: 'HBONE_STATUS', status: 401 })
    expect(pool.size).toBe(1)
  })

  it('is given up when its signal aborts while the answer is awaited', async () => {
    await using fixture = await HboneFixture.create()
    const abort = new AbortController()
    const gone = Promise.withResolvers<void>()
    const { port } = await fixture.serve({
      onStream(stream) {
        stream.onClose(gone.resolve)
        abort.abort()
      }
    })
    const pool = fixture.pool()
    await expect(pool.connect(fixture.request(port), { signal: abort.signal })).rejects.toMatchObject({
      code: 'HBONE_ABORTED'
    })
    await gone.promise
    expect(pool.size).toBe(1)
  })
})

describe('a pool', () => {
  it('[hbone-27] shares one tunnel between concurrent connections with one key', async () => {
    await using fixture = await HboneFixture.create()
    const { server, port } = await fixture.serve()
    const pool = fixture.pool()
    await Promise.all([0, 1, 2].map(index => pool.connect(fixture.request(port, { authority: `10.0.0.1:${index}` }))))
    expect([pool.size, server.size]).toEqual([1, 1])
  })

  it('lets those who wait behind a failing attempt try themselves, one after another', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    let dials = 0
    let dialling = 0
    const failingTwice: TunnelPoolOptions['dial'] = async (to, options) => {
      dialling++
      expect(dialling).toBe(1)
      try {
        await new Promise(resolve => setImmediate(resolve))
        if (++dials <= 2) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
        return await dial(to, options)
      } finally {
        dialling--
      }
    }
    const pool = fixture.pool({ dial: failingTwice })
    const results = await Promise.allSettled([0, 1, 2, 3].map(() => pool.connect(fixture.request(port))))
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled'])
    expect(results[0]).toMatchObject({ reason: { code: 'HBONE_CONNECT' } })
    expect(dials).toBe(3)
  })

  it.each(['ETIMEDOUT', 'NETNS_CONNECT_TIMEOUT'])('tells %s from other failures to connect', async code => {
    await using fixture = await HboneFixture.create()
    const pool = fixture.pool({ dial: () => Promise.reject(Object.assign(new Error('too long'), { code })) })
    await expect(pool.connect(fixture.request(1))).rejects.toMatchObject({ code: 'HBONE_CONNECT_TIMEOUT' })
  })

  it('lets who waits for another give up at once, without overtaking', async () => {
    await using fixture = await HboneFixture.create()
    const { server, port } = await fixture.serve()
    const go = Promise.withResolvers<void>()
    const slow: TunnelPoolOptions['dial'] = async (to, options) => {
      await go.promise
      return await dial(to, options)
    }
    const pool = fixture.pool({ dial: slow })
    const abort = new AbortController()
    const first = pool.connect(fixture.request(port))
    const second = pool.connect(fixture.request(port), { signal: abort.signal })
    const third = pool.connect(fixture.request(port))
    abort.abort()
    await expect(second).rejects.toMatchObject({ code: 'HBONE_ABORTED' })
    go.resolve()
    await Promise.all([first, third])
    expect(server.size).toBe(1)
  })

  it('makes a tunnel for each stream when the limit is 1, and closes it with the stream', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const pool = fixture.pool({ maxStreamsPerTunnel: 1 })
    const streams = await Promise.all([pool.connect(fixture.request(port)), pool.connect(fixture.request(port))])
    expect(pool.size).toBe(2)
    for (const { side } of streams) {
      side.duplex.end()
      await readAll(side.duplex)
    }
    await expect.poll(() => pool.size).toBe(0)
  })

  it('[hbone-28] lets an unused tunnel go, and one with a stream when that ends', async () => {
    // Well below the 10 s of PINGs, which the paused clock would hold back too.
    const unusedRelease = 1000
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await using fixture = await HboneFixture.create()
    fixture.onCleanup(() => vi.useRealTimers())
    const { server, port } = await fixture.serve()
    const pool = fixture.pool({ unusedRelease })
    const used = await pool.connect(fixture.request(port))
    vi.advanceTimersByTime(unusedRelease - 1)
    const shared = await pool.connect(fixture.request(port))
    shared.side.duplex.end()
    await readAll(shared.side.duplex)
    // The second checkout started the time anew.
    vi.advanceTimersByTime(unusedRelease - 1)
    expect(server.size).toBe(1)
    vi.advanceTimersByTime(1)
    const own = await pool.connect(fixture.request(port))
    expect(server.size).toBe(2)
    own.side.duplex.end()
    await readAll(own.side.duplex)
    vi.advanceTimersByTime(unusedRelease)
    vi.useRealTimers()
    await expect.poll(() => server.size).toBe(1)
    used.side.duplex.end('still standing')
    expect(await readAll(used.side.duplex)).toBe('still standing')
    await expect.poll(() => server.size).toBe(0)
  })

  it('holds no more tunnels than it may, letting go of the one unused for longest', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const pool = fixture.pool({ maxTunnels: 2 })
    for (const applicationIp of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
      const { side } = await pool.connect(fixture.request(port, { applicationIp }))
      side.duplex.end()
      await readAll(side.duplex)
    }
    await expect.poll(() => pool.size).toBe(2)
  })

  it('drops everything when it closes, attempts included', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const accepted = Promise.withResolvers<void>()
    const mute = net.createServer(socket => {
      socket.on('error', () => {})
      accepted.resolve()
    })
    mute.listen(0, '127.0.0.1')
    fixture.onCleanup(() => mute.close())
    await once(mute, 'listening')
    const pool = fixture.pool()
    const { side } = await pool.connect(fixture.request(port))
    const closed = once(side.duplex, 'close').catch(() => {})
    const attempt = pool.connect(fixture.request((mute.address() as net.AddressInfo).port))
    const refused = expect(attempt).rejects.toMatchObject({ code: 'HBONE_POOL_CLOSED' })
    await accepted.promise
    pool.close()
    await refused
    await closed
    await expect(pool.connect(fixture.request(port))).rejects.toEqual(
      new HboneError('HBONE_POOL_CLOSED', 'pool draining')
    )
  })

  it('[hbone-30] finishes streams when it drains, and then closes their tunnels', async () => {
    await using fixture = await HboneFixture.create()
    const { server, port } = await fixture.serve()
    const pool = fixture.pool()
    const { side } = await pool.connect(fixture.request(port))
    pool.drain()
    side.duplex.end('finished')
    expect(await readAll(side.duplex)).toBe('finished')
    await expect.poll(() => server.size).toBe(0)
  })
})

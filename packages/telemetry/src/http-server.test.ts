import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createHttpServer, createLog, type HttpHandler, parseLogFilter } from './index.ts'

async function serve(
  handle: HttpHandler
): Promise<{ url: string; port: number; lines: string[]; drain: () => Promise<void> }> {
  const lines: string[] = []
  const log = createLog({ style: 'ztunnel', json: false, filter: parseLogFilter('info'), write: l => lines.push(l) })
  const server = createHttpServer({
    component: 'stats',
    addresses: [{ host: '127.0.0.1', port: 0 }],
    log: log.scope('ztunnel::hyper_util'),
    handle
  })
  const [bound] = await server.start()
  const drain = (): Promise<void> => server.drain({ deadline: AbortSignal.abort() })
  onTestFinished(drain)
  const port = bound?.port ?? 0
  return { url: `http://127.0.0.1:${port}`, port, lines, drain }
}

describe('the small HTTP server', () => {
  it('answers, passes the query, has 404 with an empty body for what is not handled', async () => {
    const { url, lines, port } = await serve(({ path, query }) =>
      path === '/a' ? { status: 200, contentType: 'text/plain', body: query.get('b') ?? '' } : undefined
    )
    expect(await (await fetch(`${url}/a?b=c`)).text()).toBe('c')
    const missing = await fetch(`${url}/A`)
    expect([missing.status, await missing.text()]).toEqual([404, ''])
    expect(lines[0]).toContain(`\tlistener established\taddress=127.0.0.1:${port} component="stats"`)
  })

  it('passes each Accept header by itself', async () => {
    const { port } = await serve(({ accept }) => ({ status: 200, body: JSON.stringify(accept) }))
    const socket = connect(port, '127.0.0.1')
    socket.end('GET / HTTP/1.1\r\nHost: x\r\nAccept: a, b\r\nAccept: c\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text.match(/\[.*?\]/g)).toEqual(['["a, b","c"]', '[]'])
  })

  it('answers 500 with the text of an error and keeps the connection', async () => {
    const { port } = await serve(({ path }) => {
      if (path === '/bad') throw new Error('no such thing')
      return { status: 200, body: 'fine' }
    })
    const socket = connect(port, '127.0.0.1')
    socket.end('GET /bad HTTP/1.1\r\nHost: x\r\n\r\nGET /good HTTP/1.1\r\nHost: x\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text).toMatch(/^HTTP\/1.1 500 .*no such thingHTTP\/1.1 200 .*fine$/s)
  })

  it('sends a long text while it is made, and others have their turn', async () => {
    const pieces = function* (): Generator<string> {
      for (let i = 0; i < 100_000; i++) yield `line ${i}\n`
    }
    const order: string[] = []
    const { url } = await serve(({ path }) => {
      order.push(path)
      if (path === '/short') return { status: 200, body: 'short' }
      return { status: 200, contentType: 'text/plain', pieces: counted(pieces(), () => order.push('end')) }
    })
    const long = await fetch(`${url}/long`)
    expect([long.headers.get('content-type'), long.headers.get('content-length')]).toEqual(['text/plain', null])
    expect(await (await fetch(`${url}/short`)).text()).toBe('short')
    expect(await long.text()).toBe([...pieces()].join(''))
    expect(order).toEqual(['/long', '/short', 'end'])
    expect(await (await fetch(`${url}/long`, { method: 'HEAD' })).text()).toBe('')
  })

  it('cuts a long text whose making fails, and says so', async () => {
    const { url, lines } = await serve(() => ({ status: 200, pieces: failing() }))
    await expect(fetch(url).then(response => response.text())).rejects.toThrow()
    expect(lines.at(-1)).toContain('answer cut short')
    expect(lines.at(-1)).toContain('no more')
  })

  it('makes no more of a long text when the client has gone', async () => {
    const ended = Promise.withResolvers<void>()
    const endless = function* (): Generator<string> {
      for (;;) yield 'x'.repeat(1_000)
    }
    const { url, lines } = await serve(({ path }) =>
      path === '/' ? { status: 200, pieces: counted(endless(), ended.resolve) } : undefined
    )
    const response = await fetch(url)
    await response.body?.cancel()
    await ended.promise
    // By now the first request is over.
    await fetch(`${url}/other`)
    expect(lines.filter(line => line.includes('answer cut short'))).toEqual([])
  })

  it('makes nothing of a long text when the client has gone before its beginning', async () => {
    const asked = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    let made = 0
    const pieces = function* (): Generator<string> {
      made++
      yield 'x'
    }
    const { url, port, lines } = await serve(async ({ path }) => {
      if (path !== '/') return undefined
      asked.resolve()
      await gone.promise
      return { status: 200, pieces: pieces() }
    })
    const socket = connect(port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await asked.promise
    socket.resetAndDestroy()
    // Answered after the server has heard of the reset.
    await fetch(`${url}/other`)
    gone.resolve()
    await fetch(`${url}/other`)
    expect([made, lines.filter(line => line.includes('answer cut short'))]).toEqual([0, []])
  })

  it('closes a connection whose request headers take more than two seconds', async () => {
    const { port } = await serve(() => ({ status: 200 }))
    const socket = connect(port, '127.0.0.1')
    const start = performance.now()
    socket.write('GET / HTTP/1.1\r\nHost:')
    socket.resume()
    await once(socket, 'close')
    expect(performance.now() - start).toBeGreaterThan(1_900)
    expect(performance.now() - start).toBeLessThan(4_000)
  })

  it('refuses headers over 8 KiB', async () => {
    const { url } = await serve(() => ({ status: 200 }))
    expect((await fetch(url, { headers: { a: 'x'.repeat(9_000) } })).status).toBe(431)
  })

  it('names the address it cannot bind', async () => {
    const { port } = await serve(() => ({ status: 200 }))
    const log = createLog({ style: 'go', json: false, filter: parseLogFilter('info'), write: () => undefined }).scope(
      'x'
    )
    const addresses = [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port }
    ]
    const second = createHttpServer({ component: 'stats', addresses, log, handle: () => undefined })
    await expect(second.start()).rejects.toThrow(`cannot listen on 127.0.0.1:${port}: `)
  })
})

function* counted(pieces: Iterable<string>, onEnd: () => void): Generator<string> {
  try {
    yield* pieces
  } finally {
    onEnd()
  }
}

function* failing(): Generator<string> {
  yield 'x'.repeat(100_000)
  throw new Error('no more')
}

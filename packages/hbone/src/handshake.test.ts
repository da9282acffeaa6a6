import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { describe, expect, it } from 'vitest'
import { HboneFixture, readAll, STOCK, tlsMaterial } from './testing/hbone-fixture.ts'
import { CLIENT_PREFACE, decodeFrames, encodeFrame, FRAME } from './testing/raw-http2.ts'

/** What a foreign TLS client hears: its negotiated protocol, or the error. */
async function handshake(port: number, options: tls.ConnectionOptions): Promise<string | false | null> {
  const socket = tls.connect({ host: '127.0.0.1', port, ...options })
  try {
    await once(socket, 'secureConnect')
    // A server judges the client's certificate after the client is done: an answer, or the lack of one, tells.
    socket.write(Buffer.concat([CLIENT_PREFACE, encodeFrame(FRAME.settings)]))
    await Promise.race([once(socket, 'data'), closed(socket)])
    return socket.alpnProtocol
  } finally {
    socket.on('error', () => {})
    socket.destroy()
  }
}

async function closed(socket: tls.TLSSocket): Promise<never> {
  await once(socket, 'close')
  throw new Error('closed without a word')
}

describe('the server of a handshake', () => {
  it.each([
    { name: 'TLS 1.2 only', options: { maxVersion: 'TLSv1.2' }, code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' },
    {
      name: 'ChaCha20 only',
      options: { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
      code: 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'
    },
    {
      name: 'ALPN without h2',
      options: { ALPNProtocols: ['http/1.1'] },
      code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'
    }
  ] as const)('[hbone-1] refuses a client with $name', async ({ options, code }) => {
    await using fixture = await HboneFixture.create()
    const failures: string[] = []
    const { port } = await fixture.serve({ onHandshakeFailed: ({ message }) => failures.push(message) })
    const client = { ...tlsMaterial(fixture.cart), ...options } as tls.ConnectionOptions
    await expect(handshake(port, client)).rejects.toMatchObject({ code })
    expect(failures).toEqual([expect.stringContaining('tls handshake error: ')])
  })

  it.each([
    { offered: ['h2'], chosen: 'h2' },
    { offered: ['http/1.1', 'h2'], chosen: 'h2' },
    { offered: undefined, chosen: false }
  ])('chooses $chosen when ALPN offers $offered', async ({ offered, chosen }) => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const client = { ...tlsMaterial(fixture.cart), ...(offered === undefined ? {} : { ALPNProtocols: offered }) }
    expect(await handshake(port, client)).toBe(chosen)
  })

  it('[hbone-2] wants a certificate and says so', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve({ onStream: () => expect.unreachable() })
    await expect(
      handshake(port, { ca: fixture.cart.roots, checkServerIdentity: () => undefined })
    ).rejects.toMatchObject({
      code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'
    })
  })

  it('serves no client of another root, of another trust domain, expired, or meant for servers only', async () => {
    await using fixture = await HboneFixture.create()
    const failures: string[] = []
    const { port } = await fixture.serve({
      onStream: () => expect.unreachable(),
      onHandshakeFailed: ({ message }) => failures.push(message)
    })
    const stranger = await HboneFixture.create()
    const { authority, cart } = fixture
    const rows = [
      { credential: { ...stranger.cart, roots: cart.roots }, reason: 'UnknownIssuer' },
      { credential: await authority.issue('spiffe://other.test/ns/shop/sa/cart'), reason: 'trustdomain (mesh.test)' },
      { credential: await authority.issue('https://not.spiffe/'), reason: 'trustdomain (mesh.test)' },
      { credential: await authority.issue(STOCK, { notAfter: new Date(Date.now() - 60_000) }), reason: 'Expired' },
      { credential: await authority.issue(STOCK, { keyUsages: ['server'] }), reason: 'InvalidPurpose' }
    ]
    for (const { credential, reason } of rows) {
      await expect(handshake(port, tlsMaterial(credential)), reason).rejects.toThrow()
      expect(failures.pop()).toContain(reason)
    }
  })

  it('checks no trust domain when its own certificate names none', async () => {
    await using fixture = await HboneFixture.create()
    const plain = await fixture.authority.issue('https://not.spiffe/')
    const { port } = await fixture.serve({ credential: () => plain })
    expect(await handshake(port, { ...tlsMaterial(fixture.cart), ALPNProtocols: ['h2'] })).toBe('h2')
  })

  it('resumes no session', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const connect = async (session?: Buffer): Promise<tls.TLSSocket> => {
      const options = session === undefined ? {} : { session }
      const socket = tls.connect({ host: '127.0.0.1', port, ...tlsMaterial(fixture.cart), ...options })
      fixture.onCleanup(() => socket.destroy())
      socket.on('error', () => {})
      await once(socket, 'secureConnect')
      return socket
    }
    const first = await connect()
    const session = await sessionOf(first)
    const second = await connect(session)
    expect(second.isSessionReused()).toBe(false)
  })

  it.each(['\x16\x03\x01\x02\x00 not a client hello', 'GET / HTTP/1.1\r\n\r\n'])(
    'survives %j instead of a handshake',
    async bytes => {
      await using fixture = await HboneFixture.create()
      const failed = Promise.withResolvers<string>()
      const { port } = await fixture.serve({ onHandshakeFailed: ({ message }) => failed.resolve(message) })
      const socket = net.connect({ host: '127.0.0.1', port })
      socket.on('error', () => {})
      socket.end(bytes)
      expect(await failed.promise).toContain('tls handshake error: ')
      const { side } = await fixture.pool().connect(fixture.request(port))
      side.duplex.end('still serving')
      expect(await readAll(side.duplex)).toBe('still serving')
    }
  )

  it('survives nonsense instead of HTTP/2, and says that the handshake failed', async () => {
    await using fixture = await HboneFixture.create()
    const failed = Promise.withResolvers<string>()
    const { port } = await fixture.serve({ onHandshakeFailed: ({ message }) => failed.resolve(message) })
    const socket = tls.connect({ host: '127.0.0.1', port, ...tlsMaterial(fixture.cart) })
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    socket.write('GET / HTTP/1.1\r\n\r\n')
    expect(await failed.promise).toContain('http2 handshake failed: ')
  })
})

describe('a client that connects and stays silent', () => {
  it.each([
    { before: 'TLS', message: 'tls handshake error: no TLS handshake within 50 ms' },
    { before: 'HTTP/2', message: 'http2 handshake failed: no preface within 50 ms' }
  ])('before $before is dropped at the handshake timeout, if there is one', async ({ before, message }) => {
    await using fixture = await HboneFixture.create()
    const failed = Promise.withResolvers<string>()
    const { server, port } = await fixture.serve({
      handshakeTimeout: 50,
      onHandshakeFailed: failure => failed.resolve(failure.message)
    })
    const at = { host: '127.0.0.1', port }
    const socket = before === 'TLS' ? net.connect(at) : tls.connect({ ...at, ...tlsMaterial(fixture.cart) })
    socket.on('error', () => {})
    socket.resume()
    expect(await failed.promise).toBe(message)
    await new Promise(resolve => (socket.closed ? resolve(undefined) : socket.on('close', resolve)))
    await expect.poll(() => server.size).toBe(0)
  })
})

describe('the client of a handshake', () => {
  it('[hbone-5] names no server and offers h2 alone', async () => {
    await using fixture = await HboneFixture.create()
    const hello = Promise.withResolvers<Buffer>()
    const listener = net.createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', bytes => {
        hello.resolve(bytes)
        socket.destroy()
      })
    })
    listener.listen(0, '127.0.0.1')
    fixture.onCleanup(() => listener.close())
    await once(listener, 'listening')
    const { port } = listener.address() as net.AddressInfo
    await expect(fixture.pool().connect(fixture.request(port))).rejects.toMatchObject({ code: 'HBONE_TLS' })
    const extensions = clientHelloExtensions(await hello.promise)
    expect(extensions.has(0)).toBe(false)
    expect(extensions.get(16)?.toString('hex')).toBe('0003026832')
    // supported_versions: TLS 1.3 alone.
    expect(extensions.get(43)?.toString('hex')).toBe('020304')
  })

  it('accepts no server of another root, expired, or meant for clients only', async () => {
    await using fixture = await HboneFixture.create()
    const stranger = await HboneFixture.create()
    const { authority } = fixture
    const rows = [
      { credential: { ...stranger.stock, roots: fixture.stock.roots }, reason: 'UnknownIssuer' },
      { credential: await authority.issue(STOCK, { notAfter: new Date(Date.now() - 60_000) }), reason: 'Expired' },
      { credential: await authority.issue(STOCK, { notBefore: new Date(Date.now() + 60_000) }), reason: 'NotValidYet' },
      { credential: await authority.issue(STOCK, { keyUsages: ['client'] }), reason: 'InvalidPurpose' }
    ]
    for (const { credential, reason } of rows) {
      const { port } = await fixture.serve({ credential: () => credential })
      await expect(fixture.pool().connect(fixture.request(port)), reason).rejects.toMatchObject({
        code: 'HBONE_TLS',
        message: expect.stringContaining(reason)
      })
    }
  })

  it('compares identities whole and takes any of several', async () => {
    await using fixture = await HboneFixture.create()
    const credential = await fixture.authority.issue(['https://first/', 'spiffe://mesh.test/ns/shop/sa/other', STOCK])
    const { port } = await fixture.serve({ credential: () => credential })
    const pool = fixture.pool()
    const answer = await pool.connect(fixture.request(port, { expectedIdentities: ['spiffe://x/ns/y/sa/z', STOCK] }))
    expect(answer.peerIdentity).toBe('spiffe://mesh.test/ns/shop/sa/other')
    for (const wrong of [[], ['spiffe://mesh.test/ns/shop/sa/stoc'], ['spiffe://other.test/ns/shop/sa/stock']]) {
      await expect(pool.connect(fixture.request(port, { expectedIdentities: wrong }))).rejects.toMatchObject({
        code: 'HBONE_TLS',
        message: expect.stringContaining(`did not present the expected SAN (${wrong.join()})`)
      })
    }
  })

  it('gives up at the handshake timeout, if there is one', async () => {
    await using fixture = await HboneFixture.create()
    const listener = net.createServer(socket => fixture.onCleanup(() => socket.destroy()))
    listener.listen(0, '127.0.0.1')
    fixture.onCleanup(() => listener.close())
    await once(listener, 'listening')
    const { port } = listener.address() as net.AddressInfo
    await expect(fixture.pool({ handshakeTimeout: 50 }).connect(fixture.request(port))).rejects.toMatchObject({
      code: 'HBONE_HANDSHAKE_TIMEOUT'
    })
  })
})

describe('HTTP/2 settings', () => {
  it('[hbone-6] of the client are those of the specification', async () => {
    await using fixture = await HboneFixture.create()
    const first = Promise.withResolvers<Buffer>()
    const peer = tls.createServer(
      { ...tlsMaterial(fixture.stock), ALPNProtocols: ['h2'] } as tls.TlsOptions,
      socket => {
        socket.on('error', () => {})
        collect(socket, CLIENT_PREFACE.length + 33 + 13, first.resolve)
      }
    )
    peer.listen(0, '127.0.0.1')
    fixture.onCleanup(() => peer.close())
    await once(peer, 'listening')
    const { port } = peer.address() as net.AddressInfo
    const pool = fixture.pool()
    const answer = pool.connect(fixture.request(port)).catch((error: Error) => error)
    const bytes = await first.promise
    expect(bytes.subarray(0, 24)).toEqual(CLIENT_PREFACE)
    expect(bytes.subarray(24, 24 + 33 + 13).toString('hex')).toBe(
      (
        '000018040000000000 000200000000 000400400000 000500100000 000600004000' + '000004080000000000 00ff0001'
      ).replaceAll(' ', '')
    )
    pool.close()
    await answer
  })

  it('[hbone-6] of the server are those of the specification', async () => {
    await using fixture = await HboneFixture.create()
    const { port } = await fixture.serve()
    const socket = fixture.connectTls(port)
    socket.on('error', () => {})
    const first = Promise.withResolvers<Buffer>()
    collect(socket, 33 + 13, first.resolve)
    await once(socket, 'secureConnect')
    socket.write(Buffer.concat([CLIENT_PREFACE, encodeFrame(FRAME.settings)]))
    const { frames } = decodeFrames(await first.promise)
    const shown = frames.map(
      ({ type, flags, stream, payload }) => `${type} ${flags} ${stream} ${payload.toString('hex')}`
    )
    expect(shown).toContain('4 0 0 0003000000c8000400400000000500100000000600010000')
    expect(shown).toContain('8 0 0 00ff0001')
  })
})

/** The session a server offers for resumption: of a ticket if it sends one before its first frame, else of the handshake. */
async function sessionOf(socket: tls.TLSSocket): Promise<Buffer> {
  let session: Buffer | undefined
  socket.once('session', offered => {
    session = offered
  })
  socket.write(Buffer.concat([CLIENT_PREFACE, encodeFrame(FRAME.settings)]))
  await once(socket, 'data')
  const last = session ?? socket.getSession()
  if (last === undefined) throw new Error('a finished handshake has a session')
  return last
}

/** Calls back with all bytes once there are at least so many. */
function collect(socket: net.Socket, length: number, done: (bytes: Buffer) => void): void {
  let bytes = Buffer.alloc(0)
  socket.on('data', chunk => {
    bytes = Buffer.concat([bytes, chunk])
    if (bytes.length >= length) done(bytes)
  })
}

/** RFC 8446 4.1.2, record and handshake headers included. */
function clientHelloExtensions(record: Buffer): Map<number, Buffer> {
  let at = 5 + 4 + 2 + 32
  at += 1 + record[at]!
  at += 2 + record.readUInt16BE(at)
  at += 1 + record[at]!
  const end = at + 2 + record.readUInt16BE(at)
  const extensions = new Map<number, Buffer>()
  for (at += 2; at < end; ) {
    const length = record.readUInt16BE(at + 2)
    extensions.set(record.readUInt16BE(at), record.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return extensions
}

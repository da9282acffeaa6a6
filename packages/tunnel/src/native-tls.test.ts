import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { createTestAuthority } from '@culvert/hbone/testing'
import { describe, expect, it } from 'vitest'
import type { Credential } from './data-path.ts'
import { createDataPath } from './index.ts'
import { CART, createTestIdentities, echo, readAll, STOCK, TestMesh } from './testing/test-mesh.ts'
import { rawServer } from './testing/raw-peer.ts'
import type { TestPod } from './testing/test-pod.ts'

const identities = await createTestIdentities()
const { authority, cart, stock } = identities
const log = { warn: () => {}, debug: () => {} }
const engine = () => createDataPath({ log })

/** What a handshake with a pod came to, as a foreign client sees it: the alert by its code, or what was agreed. */
async function handshake(pod: TestPod, options: tls.ConnectionOptions & { readonly credential?: Credential }) {
  const { ip, port } = pod.address('inbound-hbone')
  const { credential, ...more } = options
  const socket = tls.connect({
    ...{ host: ip, port, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...more },
    ...(credential === undefined ? {} : { cert: credential.certificateChain, key: credential.privateKey })
  })
  try {
    // In TLS 1.3 a client is done before the server judges its certificate: the server's first bytes tell.
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.once('data', () => resolve())
    })
    return { version: socket.getProtocol(), cipher: socket.getCipher().name, group: socket.getEphemeralKeyInfo() }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { alert: Number(/SSL alert number (\d+)/.exec(message)?.[1]), code }
  } finally {
    socket.destroy()
  }
}

describe('handshakes', () => {
  const alerts = {
    certificateUnknown: 46,
    certificateRevoked: 44,
    unknownCa: 48,
    protocolVersion: 70,
    certificateRequired: 116,
    noProtocol: 120
  }

  it('[hbone-1, 2] [identity-ca-28] are refused with the alert that says why', async () => {
    await using mesh = new TestMesh(identities, engine())
    const server = await mesh.server()
    const stranger = await createTestAuthority()
    const foreign = await authority.issue('spiffe://other.test/ns/shop/sa/cart')
    expect(await handshake(server, { credential: cart })).toMatchObject({ version: 'TLSv1.3' })
    expect(await handshake(server, { credential: cart, maxVersion: 'TLSv1.2' })).toMatchObject({
      alert: alerts.protocolVersion
    })
    expect(await handshake(server, {})).toMatchObject({ alert: alerts.certificateRequired })
    expect(await handshake(server, { credential: foreign })).toMatchObject({ alert: alerts.certificateUnknown })
    expect(await handshake(server, { credential: await stranger.issue(CART) })).toMatchObject({
      alert: alerts.unknownCa
    })
    expect(await handshake(server, { credential: cart, ALPNProtocols: ['http/1.1'] })).toMatchObject({
      alert: alerts.noProtocol
    })
    const { alert } = await handshake(server, { credential: cart, ciphers: 'TLS_CHACHA20_POLY1305_SHA256' })
    expect(alert).toBe(40)
    expect(server.streams).toEqual([])
  })

  it('offer no compressed certificates, which a client would compress anew in each of them', async () => {
    await using mesh = new TestMesh(identities, engine())
    const hello = Promise.withResolvers<Buffer>()
    const server = await mesh.application(async client => {
      const [bytes] = (await once(client, 'data')) as [Buffer]
      hello.resolve(bytes)
      client.destroy()
    })
    const client = await mesh.client(() => server, { ip: '10.0.0.1', port: 80 })
    await readAll(await mesh.connect(client.address('outbound')))
    const extensions = helloExtensions(await hello.promise)
    expect(extensions).toContain(supportedVersions)
    expect(extensions).not.toContain(compressCertificate)
  })

  it('end with certificate_unknown at a server of another name', async () => {
    await using mesh = new TestMesh(identities, engine())
    const alert = Promise.withResolvers<string>()
    const server = tls.createServer({ cert: stock.certificateChain, key: stock.privateKey, ca: stock.roots })
    server.on('tlsClientError', error => alert.resolve(error.message))
    server.on('secureConnection', socket => socket.on('error', error => alert.resolve(error.message)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    mesh.onCleanup(() => server.close())
    const { port } = server.address() as { port: number }
    const client = await mesh.client(
      () => ({ ip: '127.0.0.1', port }),
      { ip: '10.0.0.1', port: 80 },
      {
        hop: { expectedIdentities: [CART] }
      }
    )
    await readAll(await mesh.connect(client.address('outbound')))
    expect(await alert.promise).toContain(`SSL alert number ${alerts.certificateUnknown}`)
  })

  it('take TLS 1.2 only where it is allowed, and then with forward secrecy and AES-GCM', async () => {
    await using mesh = new TestMesh(identities, createDataPath({ log, tls: { tls12: true } }))
    const server = await mesh.server()
    const old = { credential: cart, maxVersion: 'TLSv1.2' } as const
    expect(await handshake(server, old)).toMatchObject({
      version: 'TLSv1.2',
      cipher: expect.stringMatching(/^ECDHE-ECDSA-AES(128|256)-GCM/)
    })
    expect(await handshake(server, { ...old, ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' })).toMatchObject({ alert: 40 })
    expect(await handshake(server, { credential: cart })).toMatchObject({ version: 'TLSv1.3' })
  })

  it('carry streams over TLS 1.2 to a server that has no other', async () => {
    await using mesh = new TestMesh(identities, createDataPath({ log, tls: { tls12: true } }))
    const peer = await rawServer(
      mesh,
      stream => {
        stream.respond({ ':status': 200 })
        stream.pipe(stream)
      },
      { maxVersion: 'TLSv1.2' }
    )
    const client = await mesh.client(() => peer.address, { ip: '10.0.0.1', port: 80 })
    const socket = await mesh.connect(client.address('outbound'))
    socket.end('x')
    expect((await readAll(socket)).toString()).toBe('x')
  })

  it('use X25519MLKEM768 alone under the pqc policy, at both ends', async () => {
    const dataPath = createDataPath({ log, tls: { postQuantumOnly: true } })
    await using mesh = new TestMesh(identities, dataPath)
    const server = await mesh.server()
    expect(await handshake(server, { credential: cart, ecdhCurve: 'X25519' })).toMatchObject({ alert: 40 })
    expect(await handshake(server, { credential: cart, ecdhCurve: 'X25519MLKEM768' })).toMatchObject({
      version: 'TLSv1.3'
    })
    const application = await mesh.application(echo)
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    const socket = await mesh.connect(client.address('outbound'))
    socket.end('x')
    expect((await readAll(socket)).toString()).toBe('x')
    const classic = await mesh.client(() => plain.address('inbound-hbone'), application)
    await using other = new TestMesh(identities, createDataPath({ log }))
    const plain = await other.server()
    // The default offers X25519 first and takes the other one as well.
    const second = await mesh.connect(classic.address('outbound'))
    second.end('y')
    expect((await readAll(second)).toString()).toBe('y')
  })

  it('refuse a leaf that is an authority itself', async () => {
    await using mesh = new TestMesh(identities, engine())
    const server = await mesh.server()
    const credential = await authority.issue(CART, { authority: true })
    expect(await handshake(server, { credential })).toMatchObject({ alert: alerts.certificateUnknown })
  })

  it('trust a root that somebody else issued, and one that has expired', async () => {
    const middle = await authority.intermediate()
    const old = await createTestAuthority({ notAfter: new Date(Date.now() - 60_000) })
    await using mesh = new TestMesh(identities, engine())
    for (const from of [middle, old]) {
      const given = { ...(await from.issue(STOCK)), roots: from.certificatePem }
      const server = await mesh.server({ credential: given })
      expect(await handshake(server, { credential: await from.issue(CART) })).toMatchObject({ version: 'TLSv1.3' })
    }
  })
})

describe('revocation', () => {
  const revoked = 'invalid peer certificate: Revoked'

  it('[identity-ca-29] refuses new handshakes with a revoked peer, both ways', async () => {
    const dataPath = engine()
    await using mesh = new TestMesh(identities, dataPath)
    const application = await mesh.application(echo)
    const server = await mesh.server()
    dataPath.revoke([await authority.revocationList([cart])])
    expect(await handshake(server, { credential: cart })).toMatchObject({ alert: 44 })
    await server.until(() => server.handshakeFailures.length > 0)
    expect(server.handshakeFailures).toEqual([`tls handshake error: ${revoked}`])
    expect(server.revokedPeers).toEqual(['client'])
    const other = await authority.issue(CART)
    expect(await handshake(server, { credential: other })).toMatchObject({ version: 'TLSv1.3' })

    dataPath.revoke([await authority.revocationList([stock])])
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    await readAll(await mesh.connect(client.address('outbound')))
    expect((await client.outcome()).failure).toMatchObject({ code: 'IO', detail: revoked })
    expect(client.revokedPeers).toEqual(['server'])
  })

  it('[identity-ca-29] looks at the intermediates too, whose list must be signed by their issuer', async () => {
    const dataPath = engine()
    await using mesh = new TestMesh(identities, dataPath)
    const server = await mesh.server()
    const middle = await authority.intermediate()
    const credential = await middle.issue(CART)
    dataPath.revoke([await authority.revocationList([middle])])
    expect(await handshake(server, { credential })).toMatchObject({ alert: 44 })
    dataPath.revoke([await middle.revocationList([credential])])
    expect(await handshake(server, { credential })).toMatchObject({ alert: 44 })
    // Without a list of the issuer nothing is revoked; the first list of one speaks for it.
    dataPath.revoke([await middle.revocationList([])])
    expect(await handshake(server, { credential })).toMatchObject({ version: 'TLSv1.3' })
    dataPath.revoke([await middle.revocationList([]), await middle.revocationList([credential])])
    expect(await handshake(server, { credential })).toMatchObject({ version: 'TLSv1.3' })
    const mute = await authority.intermediate(KEY_CERT_SIGN)
    dataPath.revoke([await mute.revocationList([])])
    expect(await handshake(server, { credential: await mute.issue(CART) })).toHaveProperty('alert')
  })

  it('[identity-ca-29] cuts what lives through a tunnel of a revoked peer, and nothing else', async () => {
    const [near, far] = [engine(), engine()]
    await using mesh = new TestMesh(identities, near, far)
    for (const dataPath of [near, far]) dataPath.revoke([])
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const others = await authority.issue(CART)
    const hops = [{}, { credential: others, identity: `${CART}-other` }]
    const client = await mesh.pod({
      connection: () => mesh.tunnel(server.address('inbound-hbone'), application, hops.shift())
    })
    const first = await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 1)
    const second = await mesh.connect(client.address('outbound'))
    await client.until(() => client.opens.length === 2)

    far.revoke([await authority.revocationList([cart])])
    const { id, failure } = await server.outcome()
    expect([id, failure?.code]).toEqual([server.streams[0]?.id, 'REVOKED'])
    await readAll(first)
    second.write('x')
    expect((await once(second, 'data')).toString()).toBe('x')
    expect(server.tunnelsOpen).toBe(1)
    expect([server.revokedPeers, client.revokedPeers]).toEqual([['client'], []])

    near.revoke([await authority.revocationList([stock])])
    await readAll(second)
    expect((await client.outcome(1)).failure?.code).toBe('REVOKED')
    expect([server.revokedPeers, client.revokedPeers]).toEqual([['client'], ['server']])
    await server.until(() => server.tunnelsOpen === 0)
  })

  it('tells of a revoked peer once for a tunnel, however many connections end with it', async () => {
    const [near, far] = [engine(), engine()]
    await using mesh = new TestMesh(identities, near, far)
    near.revoke([])
    const application = await mesh.application(echo)
    const server = await mesh.server()
    const client = await mesh.client(() => server.address('inbound-hbone'), application)
    for (const count of [1, 2]) {
      await mesh.connect(client.address('outbound'))
      await client.until(() => client.opens.length === count)
    }
    expect(server.tunnelsAccepted).toBe(1)
    near.revoke([await authority.revocationList([stock])])
    await client.outcome(1)
    expect(client.outcomes.map(({ failure }) => failure?.code)).toEqual(['REVOKED', 'REVOKED'])
    expect(client.revokedPeers).toEqual(['server'])
  })

  /** Starts a connection whose handshake stops in the flight of one side, after the bytes that `part` says. */
  async function stoppedHandshake(
    mesh: TestMesh,
    server: TestPod,
    { flightOf, part }: { readonly flightOf: 'server' | 'client'; readonly part: (flight: Buffer) => number }
  ): Promise<{ readonly client: TestPod; readonly goOn: () => Promise<void> }> {
    const stopped = Promise.withResolvers<() => void>()
    const wire = await mesh.application(async near => {
      const { ip, port } = server.address('inbound-hbone')
      const far = net.connect(port, ip)
      far.on('error', () => {})
      const [from, to] = flightOf === 'server' ? [far, near] : [near, far]
      to.pipe(from)
      if (flightOf === 'client') {
        const [hello] = (await once(from, 'data')) as [Buffer]
        to.write(hello)
      }
      const [flight] = (await once(from, 'data')) as [Buffer]
      const behind = part(flight)
      to.write(flight.subarray(0, behind))
      stopped.resolve(() => {
        to.write(flight.subarray(behind))
        from.pipe(to)
      })
    })
    const client = await mesh.client(() => wire, { ip: '10.0.0.1', port: 80 })
    const application = await mesh.connect(client.address('outbound'))
    const rest = await stopped.promise
    const goOn = async (): Promise<void> => {
      // What is asked for in a turn reaches the engine at its end.
      await new Promise(resolve => setImmediate(resolve))
      rest()
      await readAll(application)
    }
    return { client, goOn }
  }

  it('[identity-ca-29] looks again at a peer that was found good while its handshake goes on', async () => {
    const [near, far] = [engine(), engine()]
    await using mesh = new TestMesh(identities, near, far)
    near.revoke([])
    const server = await mesh.server()
    // All of the server's flight but its Finished.
    const { client, goOn } = await stoppedHandshake(mesh, server, { flightOf: 'server', part: lastRecord })
    near.revoke([await authority.revocationList([stock])])
    await goOn()
    const { failure } = await client.outcome()
    // The latter when the flight was not read yet.
    expect(['REVOKED', 'IO']).toContain(failure?.code)
    if (failure?.code === 'IO') expect(failure.detail).toBe(revoked)
    expect(client.revokedPeers).toEqual(['server'])
    expect(server.streams).toEqual([])
  })

  it('[identity-ca-29] looks again at a client that was found good while its handshake goes on', async () => {
    const [near, far] = [engine(), engine()]
    await using mesh = new TestMesh(identities, near, far)
    far.revoke([])
    const server = await mesh.server()
    // The client's flight up to its certificate, the first record that is encrypted.
    const { goOn } = await stoppedHandshake(mesh, server, { flightOf: 'client', part: behindFirstEncrypted })
    far.revoke([await authority.revocationList([cart])])
    await goOn()
    await server.until(() => server.handshakeFailures.length > 0)
    // The same when the certificate was not read before it was revoked.
    expect(server.handshakeFailures).toEqual([`tls handshake error: ${revoked}`])
    expect(server.revokedPeers).toEqual(['client'])
    expect(server.streams).toEqual([])
  })

  it('refuses what is no list and keeps what it had', async () => {
    const dataPath = engine()
    await using mesh = new TestMesh(identities, dataPath)
    const server = await mesh.server()
    dataPath.revoke([await authority.revocationList([cart])])
    expect(() => dataPath.revoke([Buffer.from('no list')])).toThrow('a revocation list cannot be parsed: ')
    expect(await handshake(server, { credential: cart })).toMatchObject({ alert: 44 })
  })
})

/** Where the last TLS record begins. */
function lastRecord(bytes: Buffer): number {
  for (let at = 0; ; ) {
    const next = at + 5 + bytes.readUInt16BE(at + 3)
    if (next >= bytes.length) return at
    at = next
  }
}

/** Where the first record of application data ends: so handshake messages are called when they are encrypted. */
function behindFirstEncrypted(bytes: Buffer): number {
  for (let at = 0; ; ) {
    const next = at + 5 + bytes.readUInt16BE(at + 3)
    if (bytes[at] === 23) return next
    at = next
  }
}

const [supportedVersions, compressCertificate] = [43, 27]

/** The types of a ClientHello's extensions (RFC 8446 4.1.2), which is whole and in one record. */
function helloExtensions(record: Buffer): readonly number[] {
  let at = 5 + 4 + 2 + 32
  at += 1 + (record[at] ?? 0)
  at += 2 + record.readUInt16BE(at)
  at += 1 + (record[at] ?? 0)
  const end = at + 2 + record.readUInt16BE(at)
  const types: number[] = []
  for (at += 2; at < end; at += 4 + record.readUInt16BE(at + 2)) types.push(record.readUInt16BE(at))
  return types
}

const KEY_CERT_SIGN = 4

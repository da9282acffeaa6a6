import { once } from 'node:events'
import tls from 'node:tls'
import { createTestAuthority, type LeafOptions } from '@culvert/hbone/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Credential } from './data-path.ts'
import { createDataPath } from './index.ts'
import { CART, createTestIdentities, echo, readAll, STOCK, TestMesh } from './testing/test-mesh.ts'
import { rawClient, rawServer } from './testing/raw-peer.ts'

const identities = await createTestIdentities()
const { authority } = identities
const stranger = await createTestAuthority()
const minute = 60_000

const OTHER = 'spiffe://mesh.test/ns/shop/sa/other'
const FOREIGN = 'spiffe://other.test/ns/shop/sa/cart'

const issue = (ids: string | readonly string[], options?: LeafOptions) => (): Promise<Credential> =>
  authority.issue(ids, options)

/** What a peer may show, as a function of who it should be; `reason` is in the log where it is refused. */
const peers: readonly {
  readonly shows: string
  readonly given: (id: string) => () => Promise<Credential>
  readonly asClient: string | 'served'
  readonly asServer: string | 'served'
}[] = [
  {
    shows: 'a certificate that has expired',
    given: id => issue(id, { notAfter: new Date(Date.now() - minute) }),
    asClient: 'invalid peer certificate: Expired',
    asServer: 'invalid peer certificate: Expired'
  },
  {
    shows: 'a certificate that is not valid yet',
    given: id => issue(id, { notBefore: new Date(Date.now() + minute) }),
    asClient: 'invalid peer certificate: NotValidYet',
    asServer: 'invalid peer certificate: NotValidYet'
  },
  {
    shows: 'a certificate of another root',
    given: id => () => stranger.issue(id),
    asClient: 'invalid peer certificate: UnknownIssuer',
    asServer: 'invalid peer certificate: UnknownIssuer'
  },
  {
    shows: 'a certificate for the other role',
    given: id => issue(id, { keyUsages: [id === CART ? 'server' : 'client'] }),
    asClient: 'invalid peer certificate: InvalidPurpose',
    asServer: 'invalid peer certificate: InvalidPurpose'
  },
  {
    shows: 'a certificate without a URI',
    given: () => issue([]),
    asClient: 'did not present the expected trustdomain (mesh.test), got ',
    asServer: `did not present the expected SAN (${STOCK}), got `
  },
  {
    shows: 'a URI that is no identity',
    given: () => issue('https://mesh.test/ns/shop/sa/cart'),
    asClient: 'did not present the expected trustdomain (mesh.test), got ',
    asServer: `did not present the expected SAN (${STOCK}), got https://mesh.test/ns/shop/sa/cart`
  },
  {
    shows: 'an identity of another trust domain',
    given: () => issue(FOREIGN),
    asClient: `did not present the expected trustdomain (mesh.test), got ${FOREIGN}`,
    asServer: `did not present the expected SAN (${STOCK}), got ${FOREIGN}`
  },
  {
    shows: 'two identities, both wrong',
    given: () => issue([FOREIGN, `${FOREIGN}2`]),
    asClient: `did not present the expected trustdomain (mesh.test), got ${FOREIGN},${FOREIGN}2`,
    asServer: `did not present the expected SAN (${STOCK}), got ${FOREIGN},${FOREIGN}2`
  },
  {
    shows: 'two identities, the second right',
    given: id => issue([FOREIGN, id]),
    asClient: 'served',
    asServer: 'served'
  },
  {
    shows: 'an extension of 64 kB',
    given: id => issue(id, { padding: 65_536 }),
    asClient: 'served',
    asServer: 'served'
  },
  {
    shows: 'an extension of a megabyte',
    given: id => issue(id, { padding: 1_048_576 }),
    asClient: 'excessive message size',
    asServer: 'excessive message size'
  }
]

describe('a peer that shows', () => {
  let mesh: TestMesh
  beforeAll(() => {
    mesh = new TestMesh(identities, createDataPath({ log: { warn: () => {}, debug: () => {} } }))
  })
  afterAll(() => mesh[Symbol.asyncDispose]())

  it.each(peers)('$shows as a client: $asClient', async ({ given, asClient }) => {
    const server = await mesh.server()
    const application = await mesh.application(echo)
    // Somebody else's connection, which must not notice.
    const other = await mesh.client(() => server.address('inbound-hbone'), application)
    const undisturbed = await mesh.connect(other.address('outbound'))
    await other.until(() => other.opens.length === 1)

    const credential = await given(CART)()
    if (asClient === 'served') {
      const session = await rawClient(mesh, server.address('inbound-hbone'), credential)
      const stream = session.request({ ':method': 'CONNECT', ':authority': `${application.ip}:${application.port}` })
      stream.end('x')
      expect(String(await readAll(stream as never))).toBe('x')
      expect(server.handshakeFailures).toEqual([])
    } else {
      const { ip: host, port } = server.address('inbound-hbone')
      const { certificateChain: cert, privateKey: key } = credential
      const socket = tls.connect({ host, port, cert, key, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
      mesh.onCleanup(() => socket.destroy())
      const ended = new Promise<string>(resolve => {
        socket.on('error', error => resolve(error.message))
        socket.on('close', () => resolve('closed'))
      })
      socket.resume()
      await ended
      await server.until(() => server.handshakeFailures.length > 0)
      expect(server.handshakeFailures).toEqual([expect.stringContaining(asClient)])
      expect(server.handshakeFailures[0]).toMatch(/^tls handshake error: /)
      expect(server.streams).toHaveLength(1)
    }
    undisturbed.end('still here')
    expect(String(await readAll(undisturbed))).toBe('still here')
  })

  it.each(peers)('$shows as a server: $asServer', async ({ given, asServer }) => {
    const { certificateChain: cert, privateKey: key } = await given(STOCK)()
    const peer = await rawServer(
      mesh,
      stream => {
        stream.respond({ ':status': 200 })
        stream.pipe(stream)
      },
      { cert, key }
    )
    const client = await mesh.client(() => peer.address, { ip: '10.0.0.1', port: 80 })
    const socket = await mesh.connect(client.address('outbound'))
    if (asServer === 'served') socket.end('x')
    const received = String(await readAll(socket))
    const { failure } = await client.outcome()
    if (asServer === 'served') expect([received, failure]).toEqual(['x', undefined])
    else expect(failure).toMatchObject({ code: 'IO', detail: expect.stringContaining(asServer) })
  })

  it('judges two identities by either and knows the peer by the first', async () => {
    const server = await mesh.server()
    const application = await mesh.application(echo)
    const session = await rawClient(mesh, server.address('inbound-hbone'), await authority.issue([OTHER, CART]))
    const stream = session.request({ ':method': 'CONNECT', ':authority': `${application.ip}:${application.port}` })
    stream.end('x')
    await readAll(stream as never)
    expect(server.streams[0]?.peerIdentity).toBe(OTHER)
  })
})

describe('a change of roots', () => {
  const next = stranger

  it('fails no handshake on its way, and leaves open connections alone', async () => {
    await using mesh = new TestMesh(identities, createDataPath({ log: { warn: () => {}, debug: () => {} } }))
    const application = await mesh.application(echo)
    const both = `${authority.rootPem}\n${next.rootPem}`
    /** Who signs for the server, who for the client, and whom each trusts meanwhile. */
    const steps = [
      { server: authority, serverTrusts: authority.rootPem, client: authority, clientTrusts: authority.rootPem },
      { server: authority, serverTrusts: both, client: authority, clientTrusts: authority.rootPem },
      { server: authority, serverTrusts: both, client: authority, clientTrusts: both },
      { server: next, serverTrusts: both, client: authority, clientTrusts: both },
      { server: next, serverTrusts: both, client: next, clientTrusts: both },
      { server: next, serverTrusts: next.rootPem, client: next, clientTrusts: both },
      { server: next, serverTrusts: next.rootPem, client: next, clientTrusts: next.rootPem }
    ]
    let shown = identities.stock
    const server = await mesh.server()
    server.serverCredential = async () => shown
    let step = 0
    let held = identities.cart
    const client = await mesh.pod({
      connection: () =>
        mesh.tunnel(server.address('inbound-hbone'), application, {
          credential: held,
          // A tunnel of its own for each step.
          applicationIp: `127.0.1.${step}`
        })
    })
    const first = await mesh.connect(client.address('outbound'))
    first.write('open')
    await once(first, 'data')
    for (const { server: signsServer, serverTrusts, client: signsClient, clientTrusts } of steps) {
      step += 1
      shown = { ...(await signsServer.issue(STOCK)), roots: serverTrusts }
      held = { ...(await signsClient.issue(CART)), roots: clientTrusts }
      const socket = await mesh.connect(client.address('outbound'))
      socket.end('x')
      expect(String(await readAll(socket)), `step ${step}`).toBe('x')
    }
    expect(server.tunnelsAccepted).toBe(steps.length + 1)
    expect([server.handshakeFailures, client.outcomes.filter(({ failure }) => failure !== undefined)]).toEqual([[], []])
    first.end('still here')
    expect(String(await readAll(first))).toBe('still here')
    // Who has not followed is left out now.
    held = identities.cart
    step += 1
    await readAll(await mesh.connect(client.address('outbound')))
    await server.until(() => server.handshakeFailures.length > 0)
    expect(client.outcomes.at(-1)?.failure?.detail).toContain('UnknownIssuer')
  })
})

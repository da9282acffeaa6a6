import { randomInt } from 'node:crypto'
import type net from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { headers, ping, TYPE } from './testing/frames.ts'
import { CONTENT } from './testing/record-keys.ts'
import { KEY_UPDATE, RecordPeer } from './testing/record-peer.ts'
import { createTestIdentities, readAll, type TestIdentities, TestMesh } from './testing/test-mesh.ts'
import type { TestPod } from './testing/test-pod.ts'

// The engine's own TLS records (native/tunnel/src/engine/record-channel.h) against a peer that makes each by hand.

const ALERT = { unexpected: 10, badMac: 20, overflow: 22, illegal: 47, decode: 50 } as const
const NEW_SESSION_TICKET = 4
const CERTIFICATE_REQUEST = 13

let identities: TestIdentities

beforeAll(async () => {
  identities = await createTestIdentities()
})

function start(records: 'own' | 'openssl', recordsPerKey?: number): TestMesh {
  const log = { warn: () => {}, debug: () => {} }
  const tls = { records, ...(recordsPerKey === undefined ? {} : { recordsPerKey }) }
  return new TestMesh(identities, createDataPath({ log, tls }))
}

/** The engine as a server, and a peer that is its client. */
async function clientOf(mesh: TestMesh, suite?: string): Promise<RecordPeer> {
  const pod = await mesh.server()
  return RecordPeer.client(mesh, pod.path.listeners[2]!, suite)
}

interface Served {
  readonly peer: RecordPeer
  readonly pod: TestPod
  /** Whose connection waits for an answer. */
  readonly application: net.Socket
}

/** The engine as a client, and a peer that is its server. */
async function serverOf(mesh: TestMesh, suite?: string): Promise<Served> {
  const { address, peer } = await RecordPeer.server(mesh, suite)
  const pod = await mesh.client(() => address, { ip: '127.0.0.1', port: 1 })
  const application = await mesh.connect(pod.path.listeners[0]!)
  return { peer: await peer, pod, application }
}

const ticket = (body: number): Buffer => {
  const message = Buffer.alloc(4 + body)
  message[0] = NEW_SESSION_TICKET
  message.writeUIntBE(body, 1, 3)
  return message
}

describe.each(['own', 'openssl'] as const)('TLS after the handshake (%s records)', records => {
  it.each(['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384'])('speaks %s in both roles', async suite => {
    await using mesh = start(records)
    const client = await clientOf(mesh, suite)
    await client.sync()
    const { peer } = await serverOf(mesh, suite)
    await peer.sync()
  })

  it('changes keys with its peer, and its own when it is asked', async () => {
    await using mesh = start(records)
    const peer = await clientOf(mesh)
    peer.updateKey()
    await peer.sync()
    expect(peer.keyUpdates).toBe(0)
    peer.updateKey(KEY_UPDATE.requested)
    await peer.sync()
    expect(peer.keyUpdates).toBe(1)
    peer.updateKey(KEY_UPDATE.requested)
    peer.updateKey(KEY_UPDATE.requested)
    await peer.sync()
    await peer.sync()
    expect(peer.keyUpdates).toBeGreaterThan(1)
  })

  it('reads padded records and empty ones', async () => {
    await using mesh = start(records)
    const { peer } = await serverOf(mesh)
    peer.sendData(ping(0, 'padded!!'), 1000)
    peer.sendData(Buffer.alloc(0), 100)
    await peer.sync()
  })

  it('reads what comes byte by byte, and in pieces of any size', async () => {
    await using mesh = start(records)
    const peer = await clientOf(mesh)
    const send = peer.transmit
    for (const size of [() => 1, () => randomInt(1, 40), () => randomInt(1, 5000)]) {
      peer.transmit = bytes => {
        for (let at = 0; at < bytes.length; ) {
          const end = at + size()
          send(bytes.subarray(at, end))
          at = end
        }
      }
      for (let i = 0; i < 20; i++) {
        peer.sendData(ping(0, 'whatever'), randomInt(0, 50))
        if (i % 5 === 0) peer.updateKey(KEY_UPDATE.requested)
      }
      await peer.sync()
    }
  })

  it('says close_notify when its peer does', async () => {
    await using mesh = start(records)
    const peer = await clientOf(mesh)
    peer.send(CONTENT.alert, Buffer.of(1, 0))
    expect(await peer.alert()).toBe(0)
  })

  it('takes the close_notify of its peer for the loss of streams that it has not ended', async () => {
    await using mesh = start(records)
    const { peer, pod, application } = await serverOf(mesh)
    await peer.until(() => peer.frames.some(({ type }) => type === TYPE.headers))
    peer.sendData(headers(1, Buffer.of(0x88)))
    await pod.until(() => pod.opens.length === 1)
    peer.send(CONTENT.alert, Buffer.of(1, 0))
    expect((await readAll(application)).length).toBe(0)
    application.end()
    expect((await pod.outcome()).failure).toEqual({ code: 'SHUTDOWN', detail: 'send: io error: broken pipe' })
  })

  it.each([
    [42, 'BadCertificate'],
    [46, 'CertificateUnknown'],
    [116, 'CertificateRequired'],
    [200, 'AlertDescription(0xc8)']
  ])('tells that a peer alerted of %i in the words of other ztunnels', async (alert, name) => {
    await using mesh = start(records)
    const { peer, pod } = await serverOf(mesh)
    peer.send(CONTENT.alert, Buffer.of(2, alert))
    expect((await pod.outcome()).failure).toEqual({ code: 'HTTP2', detail: `received fatal alert: ${name}` })
    expect(await peer.alert()).toBeUndefined()
  })
})

describe('the engine\u2019s own records', () => {
  let mesh: TestMesh
  let pod: TestPod

  beforeAll(async () => {
    mesh = start('own')
    pod = await mesh.server()
  })
  afterAll(() => mesh[Symbol.asyncDispose]())

  it('change their key long before its limit, while bytes flow both ways', async () => {
    await using limited = start('own', 3)
    const peer = await clientOf(limited)
    for (let i = 0; i < 30; i++) await peer.sync()
    expect(peer.keyUpdates).toBeGreaterThanOrEqual(8)
  })

  it('go on while a peer warns a little', async () => {
    const peer = await RecordPeer.client(mesh, pod.path.listeners[2]!)
    peer.send(CONTENT.alert, Buffer.of(1, 90))
    await peer.sync()
  })

  const many = (one: (peer: RecordPeer) => void) => (peer: RecordPeer) => {
    for (let i = 0; i < 40; i++) one(peer)
  }

  it.each<[what: string, send: (peer: RecordPeer) => void, alert: number]>([
    ['is not protected', peer => peer.transmit(Buffer.of(22, 3, 3, 0, 1, 0)), ALERT.unexpected],
    ['changes the cipher spec', peer => peer.transmit(Buffer.of(20, 3, 3, 0, 1, 1)), ALERT.unexpected],
    [
      'was changed on its way',
      peer => {
        const record = peer.seal(CONTENT.applicationData, ping())
        record[7]! ^= 1
        peer.transmit(record)
      },
      ALERT.badMac
    ],
    [
      'comes twice',
      peer => {
        const record = peer.seal(CONTENT.applicationData, ping())
        peer.transmit(Buffer.concat([record, record]))
      },
      ALERT.badMac
    ],
    ['is empty', peer => peer.transmit(Buffer.of(23, 3, 3, 0, 0)), ALERT.badMac],
    ['is shorter than its tag', peer => peer.transmit(Buffer.of(23, 3, 3, 0, 2, 1, 2)), ALERT.badMac],
    ['is too long', peer => peer.transmit(Buffer.of(23, 3, 3, 65, 1)), ALERT.overflow],
    [
      'holds too much',
      peer => peer.transmit(peer.sealInner(Buffer.concat([Buffer.alloc(16385, 1), Buffer.of(23)]))),
      ALERT.overflow
    ],
    ['is nothing but padding', peer => peer.transmit(peer.sealInner(Buffer.alloc(20))), ALERT.unexpected],
    ['holds nothing at all', peer => peer.transmit(peer.sealInner(Buffer.alloc(0))), ALERT.unexpected],
    ['is of an unknown type', peer => peer.send(24, Buffer.of(1, 2, 3)), ALERT.unexpected],
    ['is a protected change of the cipher spec', peer => peer.send(20, Buffer.of(1)), ALERT.unexpected],
    ['is an empty handshake record', peer => peer.send(CONTENT.handshake, Buffer.alloc(0)), ALERT.unexpected],
    ['is an empty alert', peer => peer.send(CONTENT.alert, Buffer.alloc(0)), ALERT.unexpected],
    ['is half an alert', peer => peer.send(CONTENT.alert, Buffer.of(1)), ALERT.decode],
    ['is two alerts', peer => peer.send(CONTENT.alert, Buffer.of(1, 90, 1, 0)), ALERT.decode],
    [
      'comes between the parts of a message',
      peer => {
        peer.send(CONTENT.handshake, KEY_UPDATE.plain.subarray(0, 3))
        peer.sendData(ping())
      },
      ALERT.unexpected
    ],
    [
      'holds more behind a KeyUpdate',
      peer => peer.send(CONTENT.handshake, Buffer.concat([KEY_UPDATE.plain, Buffer.of(24)])),
      ALERT.unexpected
    ],
    ['is a KeyUpdate that wants something else', peer => peer.send(22, Buffer.of(24, 0, 0, 1, 2)), ALERT.illegal],
    ['is a KeyUpdate of two bytes', peer => peer.send(22, Buffer.of(24, 0, 0, 2, 0, 0)), ALERT.decode],
    ['is a ticket from a client', peer => peer.send(22, ticket(20)), ALERT.unexpected],
    ['is one of many empty ones', many(peer => peer.sendData(Buffer.alloc(0))), ALERT.unexpected],
    ['is one of many KeyUpdates', many(peer => peer.updateKey()), ALERT.unexpected],
    ['is one of many warnings', many(peer => peer.send(CONTENT.alert, Buffer.of(1, 90))), ALERT.unexpected]
  ])('refuse one that %s', async (_, send, alert) => {
    const peer = await RecordPeer.client(mesh, pod.path.listeners[2]!)
    send(peer)
    expect(await peer.alert()).toBe(alert)
  })

  it.each<[what: string, message: Buffer, alert: number]>([
    ['a request for another certificate', Buffer.of(CERTIFICATE_REQUEST, 0, 0, 3, 0, 0, 0), ALERT.unexpected],
    ['a ticket that is larger than any can be', Buffer.of(NEW_SESSION_TICKET, 255, 255, 255), ALERT.illegal],
    ['a second ServerHello', Buffer.of(2, 0, 0, 1, 0), ALERT.unexpected]
  ])('refuse %s from a server', async (_, message, alert) => {
    await using clients = start('own')
    const { peer, pod: client } = await serverOf(clients)
    peer.send(CONTENT.handshake, message)
    expect(await peer.alert()).toBe(alert)
    expect((await client.outcome()).failure?.code).toBe('HTTP2')
  })

  it('leave out tickets, in small parts and as large as one can be', async () => {
    await using clients = start('own')
    const { peer } = await serverOf(clients)
    const small = ticket(20)
    for (const part of [small.subarray(0, 2), small.subarray(2, 20), small.subarray(20)]) {
      peer.send(CONTENT.handshake, part)
    }
    await peer.sync()
    const large = ticket(131_337)
    for (let at = 0; at < large.length; at += 16384) peer.send(CONTENT.handshake, large.subarray(at, at + 16384))
    await peer.sync()
  })
})

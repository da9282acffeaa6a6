import { once } from 'node:events'
import http2 from 'node:http2'
import type net from 'node:net'
import { beforeAll, expect, it } from 'vitest'
import { createDataPath, type DataPathLimits } from './index.ts'
import { rawClient } from './testing/raw-peer.ts'
import { createTestIdentities, echo, readAll, TestMesh, type TestIdentities } from './testing/test-mesh.ts'

let identities: TestIdentities
beforeAll(async () => {
  identities = await createTestIdentities()
})

it('closes connections above the limit as they come, and takes others when some have ended', async () => {
  const { mesh, warnings } = limitedMesh({ connections: 2 })
  await using _ = mesh
  const application = await mesh.application(echo)
  const pod = await mesh.pod({ connection: () => ({ kind: 'direct', to: application }) })
  const [first, second] = [
    await mesh.connect(pod.address('outbound')),
    await mesh.connect(pod.address('inbound-plaintext'))
  ]
  await pod.until(() => pod.opens.length === 2)
  expect((await readAll(await mesh.connect(pod.address('outbound')))).length).toBe(0)
  await expect.poll(() => warnings).toEqual(['refused a connection: 2 connections are open, the limit is 2'])
  expect(pod.captured).toHaveLength(2)
  first.end('goes on')
  expect((await readAll(first)).toString()).toBe('goes on')
  await pod.outcome()
  const third = await mesh.connect(pod.address('outbound'))
  third.end('has a place')
  expect((await readAll(third)).toString()).toBe('has a place')
  second.end('goes on too')
  expect((await readAll(second)).toString()).toBe('goes on too')
})

it('counts tunnels from other nodes and their failed handshakes as connections', async () => {
  const { mesh } = limitedMesh({ connections: 1 })
  await using _ = mesh
  const application = await mesh.application(echo)
  const pod = await mesh.server()
  // Neither TLS nor HTTP/2: each leaves its place when it fails.
  for (let count = 0; count < 3; count++) {
    const socket = await mesh.connect(pod.address('inbound-hbone'))
    socket.end('GET / HTTP/1.1\r\n\r\n')
    await readAll(socket)
    await pod.until(() => pod.handshakeFailures.length === count + 1 && pod.tunnelsOpen === 0)
  }
  const session = await rawClient(mesh, pod.address('inbound-hbone'))
  expect(await status(session, application)).toBe(200)
  expect((await readAll(await mesh.connect(pod.address('inbound-hbone')))).length).toBe(0)
})

it('refuses streams above the limit with REFUSED_STREAM while the others of the tunnel go on', async () => {
  const { mesh, warnings } = limitedMesh({ streams: 2 })
  await using _ = mesh
  const application = await mesh.application(echo)
  const pod = await mesh.server()
  const session = await rawClient(mesh, pod.address('inbound-hbone'))
  const other = await rawClient(mesh, pod.address('inbound-hbone'))
  const [first, second] = [connect(session, application), connect(other, application)]
  await Promise.all([once(first, 'response'), once(second, 'response')])
  for (const refusing of [session, other]) {
    const refused = connect(refusing, application)
    await closed(refused)
    expect(refused.rstCode).toBe(http2.constants.NGHTTP2_REFUSED_STREAM)
  }
  await expect.poll(() => warnings[0]).toBe('refused a stream: 2 streams are open, the limit is 2')
  expect(pod.streams).toHaveLength(2)
  first.end('x')
  expect(await text(first)).toBe('x')
  await pod.outcome()
  expect(await status(session, application)).toBe(200)
})

it('refuses new work while too many bytes are held for those who do not take them', async () => {
  const { mesh, warnings } = limitedMesh({ bufferedBytes: 2 * 1_048_576 })
  await using _ = mesh
  const accepted: net.Socket[] = []
  const deaf = await mesh.application(socket => accepted.push(socket))
  const application = await mesh.application(echo)
  const pod = await mesh.server()
  const session = await rawClient(mesh, pod.address('inbound-hbone'))
  const quiet = await rawClient(mesh, pod.address('inbound-hbone'))
  const living = connect(quiet, application)
  await once(living, 'response')
  const unread = connect(session, deaf)
  await once(unread, 'response')
  // More than the buffers of the kernel take.
  unread.write(Buffer.alloc(64 * 1_048_576))
  // Refused as soon as the bytes are there.
  let refused = 0
  for (;;) {
    const stream = connect(quiet, application)
    await Promise.race([new Promise(resolve => stream.once('response', resolve)), closed(stream)])
    if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM && ++refused > 1) break
    stream.close()
  }
  await expect.poll(() => warnings[0]).toMatch(/^refused a stream: \d+ bytes are buffered, the limit is 2097152$/)
  living.end('goes on')
  expect(await text(living)).toBe('goes on')
  accepted[0]?.resume()
  for (;;) if ((await status(quiet, application)) === 200) break
})

it('reads a tunnel again as its application takes what is held, though too many bytes of others stay held', async () => {
  const { mesh } = limitedMesh({ bufferedBytes: 2 * 1_048_576 })
  await using _ = mesh
  const deaf = await mesh.application(() => {})
  const accepted: net.Socket[] = []
  const late = await mesh.application(socket => accepted.push(socket))
  const pod = await mesh.server()
  const [first, second, quiet] = [
    await rawClient(mesh, pod.address('inbound-hbone')),
    await rawClient(mesh, pod.address('inbound-hbone')),
    await rawClient(mesh, pod.address('inbound-hbone'))
  ]
  const [unread, read] = [connect(first, deaf), connect(second, late)]
  await Promise.all([once(unread, 'response'), once(read, 'response')])
  unread.write(Buffer.alloc(64 * 1_048_576))
  const full = async (): Promise<void> => {
    for (;;) {
      const stream = connect(quiet, late)
      await Promise.race([once(stream, 'response'), closed(stream)])
      if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) break
      stream.close()
    }
  }
  await full()
  const part = Buffer.alloc(262_144)
  const parts = 128
  for (let count = 0; count < parts; count++) read.write(part)
  read.end()
  // What the kernel and the proxy take of it without the application.
  await standsStill(() => read.writableLength)
  expect(read.writableLength).toBeGreaterThan(0)
  expect((await readAll(accepted[0]!)).length).toBe(parts * part.length)
  await full()
})

async function standsStill(read: () => number): Promise<void> {
  let last = -1
  for (let same = 0; same < 25; ) {
    const now = read()
    same = now === last ? same + 1 : 0
    last = now
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function limitedMesh(limits: DataPathLimits): { readonly mesh: TestMesh; readonly warnings: string[] } {
  const warnings: string[] = []
  const log = { warn: (message: string) => warnings.push(message), debug: () => {} }
  return { mesh: new TestMesh(identities, createDataPath({ log, limits })), warnings }
}

function connect(session: http2.ClientHttp2Session, to: { ip: string; port: number }): http2.ClientHttp2Stream {
  const stream = session.request({ ':method': 'CONNECT', ':authority': `${to.ip}:${to.port}` })
  stream.on('error', () => {})
  return stream
}

function closed(stream: http2.ClientHttp2Stream): Promise<void> {
  return new Promise(resolve => stream.once('close', resolve))
}

/** Of a stream that is ended at once; undefined when it was refused. */
async function status(
  session: http2.ClientHttp2Session,
  to: { ip: string; port: number }
): Promise<number | undefined> {
  const stream = connect(session, to)
  let status: number | undefined
  stream.on('response', headers => {
    status = headers[':status']
    stream.close()
  })
  await closed(stream)
  return status
}

async function text(stream: http2.ClientHttp2Stream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

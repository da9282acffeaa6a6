import type net from 'node:net'
import { beforeAll, expect, it } from 'vitest'
import { createDataPath } from './index.ts'
import { createTestIdentities, echo, readAll, TestMesh, type TestIdentities } from './testing/test-mesh.ts'
import type { TestPod } from './testing/test-pod.ts'

const greeting = Buffer.from([5, 1, 0])
const success = Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])

let identities: TestIdentities
beforeAll(async () => {
  identities = await createTestIdentities()
})

it('carries what a client asks for through a tunnel, with bytes that came right behind the request', async () => {
  await using mesh = createMesh()
  const application = await mesh.application(echo)
  const server = await mesh.server()
  const pod = await mesh.pod({ socks5: () => mesh.tunnel(server.address('inbound-hbone'), application) })
  const socket = await mesh.connect(pod.address('socks5'))
  socket.end(Buffer.concat([greeting, Buffer.from([5, 1, 0, 1, 10, 200, 5, 9, 0, 80]), Buffer.from('early')]))
  expect((await readAll(socket)).toString('latin1')).toBe(
    Buffer.concat([Buffer.from([5, 0]), success, Buffer.from('early')]).toString('latin1')
  )
  expect(pod.socks5Requests).toMatchObject([{ source: { ip: '127.0.0.1' }, target: { ip: '10.200.5.9' }, port: 80 }])
  expect(await pod.outcome()).toMatchObject({ fromClient: 5, toClient: 5 })
})

it.each([
  { title: 'an IPv6 address', bytes: [4, 0xfd, ...Array(14).fill(0), 9], target: { ip: 'fd00::9' } },
  {
    title: 'an IPv4-mapped address',
    bytes: [4, ...Array(10).fill(0), 255, 255, 10, 1, 2, 3],
    target: { ip: '10.1.2.3' }
  },
  { title: 'a name', bytes: [3, 5, ...Buffer.from('stock')], target: { name: Buffer.from('stock') } },
  { title: 'a name of any bytes', bytes: [3, 3, 0xff, 0, 0xc3], target: { name: Buffer.from([0xff, 0, 0xc3]) } },
  { title: 'no name', bytes: [3, 0], target: { name: Buffer.alloc(0) } }
])('hears $title', async ({ bytes, target }) => {
  await using mesh = createMesh()
  const pod = await mesh.pod({ socks5: () => ({ kind: 'refuse', socks5Reply: 4 }) })
  const reply = await ask(mesh, pod, [5, 1, 0, ...bytes, 0x1f, 0x90])
  expect(pod.socks5Requests.map(({ target: heard, port }) => ({ target: heard, port }))).toEqual([
    { target, port: 8080 }
  ])
  expect(reply).toEqual([5, 0, 5, 4, 0, 1, 0, 0, 0, 0, 0, 0])
  expect((await pod.outcome()).failure).toBeUndefined()
})

it('closes after a success what is refused without a reply', async () => {
  await using mesh = createMesh()
  const pod = await mesh.pod({ socks5: () => ({ kind: 'refuse' }) })
  expect(await ask(mesh, pod, [5, 1, 0, 1, 10, 0, 0, 1, 0, 80])).toEqual([5, 0, ...success])
})

it('answers code 1 when whoever decides fails', async () => {
  const warnings: string[] = []
  await using mesh = createMesh(warnings)
  const pod = await mesh.pod({
    socks5: () => {
      throw new Error('no route table')
    }
  })
  expect(await ask(mesh, pod, [5, 1, 0, 1, 10, 0, 0, 1, 0, 80])).toEqual([5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0])
  expect((await pod.outcome()).failure).toEqual({ code: 'IO', detail: 'no route table' })
  expect(warnings).toEqual([expect.stringContaining('no route table')])
})

it.each([
  { title: 'version 4', bytes: [4, 1], reply: [], reason: 'unsupported version 4' },
  { title: 'no method', bytes: [5, 0], reply: [], reason: 'no authentication method is offered' },
  { title: 'a password only', bytes: [5, 1, 2], reply: [], reason: 'only clients without authentication are served' },
  { title: 'another version later', bytes: [5, 1, 0, 4, 1], reply: [5, 0], reason: 'unsupported version 4' },
  { title: 'BIND', bytes: [5, 1, 0, 5, 2, 0, 1], reply: [5, 0], reason: 'unsupported command 2' },
  {
    title: 'an unknown address type',
    bytes: [5, 1, 0, 5, 1, 0, 2],
    reply: [5, 0],
    reason: 'unsupported address type 2'
  }
])('answers $title with code 7 and says so in the log', async ({ bytes, reply, reason }) => {
  const warnings: string[] = []
  await using mesh = createMesh(warnings)
  const pod = await mesh.pod({ socks5: () => ({ kind: 'refuse' }) })
  const socket = await mesh.connect(pod.address('socks5'))
  socket.write(Buffer.from(bytes))
  expect([...(await readAll(socket))]).toEqual([...reply, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0])
  await expect.poll(() => warnings).toEqual([`refused a SOCKS5 client: ${reason}`])
  expect(pod.socks5Requests).toEqual([])
})

it('answers code 1 to a client that ends too early', async () => {
  await using mesh = createMesh()
  const pod = await mesh.pod({ socks5: () => ({ kind: 'refuse' }) })
  const socket = await mesh.connect(pod.address('socks5'))
  socket.end(Buffer.concat([greeting, Buffer.from([5, 1])]))
  expect([...(await readAll(socket))]).toEqual([5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0])
})

it('counts clients that have not asked as connections, and lets go of them', async () => {
  const warnings: string[] = []
  await using mesh = createMesh(warnings, { connections: 1 })
  const pod = await mesh.pod({ socks5: () => ({ kind: 'refuse' }) })
  const first = await mesh.connect(pod.address('socks5'))
  await receive(first, greeting)
  expect([...(await readAll(await mesh.connect(pod.address('socks5'))))]).toEqual([])
  first.resetAndDestroy()
  await expect.poll(async () => (await ask(mesh, pod, [5, 1, 0, 1, 10, 0, 0, 1, 0, 80])).length).toBe(12)
})

function createMesh(warnings: string[] = [], limits = {}): TestMesh {
  const log = { warn: (message: string) => warnings.push(message), debug: () => {} }
  return new TestMesh(identities, createDataPath({ log, limits }))
}

async function receive(socket: net.Socket, bytes: Buffer): Promise<void> {
  socket.write(bytes)
  await new Promise(resolve => socket.once('data', resolve))
}

async function ask(mesh: TestMesh, pod: TestPod, request: readonly number[]): Promise<readonly number[]> {
  const socket = await mesh.connect(pod.address('socks5'))
  socket.write(Buffer.concat([greeting, Buffer.from(request)]))
  return [...(await readAll(socket))]
}

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  denyPrincipal,
  doubleEcho,
  type Mesh,
  readAll,
  serverHost,
  serverVip,
  notRoot,
  startMesh,
  titled
} from './mesh.ts'

const success = Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])

describe.skipIf(notRoot)(titled('SOCKS5 in a pod'), () => {
  let mesh: Mesh
  beforeAll(async () => {
    mesh = await startMesh({
      env: { UNSTABLE_ENABLE_SOCKS5: 'true' },
      resolvConf: 'nameserver 127.0.0.1\noptions attempts:0 timeout:1\n'
    })
    await mesh.server.listen(8080, doubleEcho)
  })
  afterAll(() => mesh?.[Symbol.asyncDispose]())

  const address = (ip: string): number[] => [1, ...ip.split('.').map(Number)]
  const name = (text: string): number[] => [3, text.length, ...Buffer.from(text)]

  /** The reply to a request. */
  async function request(target: readonly number[], port: number): Promise<{ socket: Socket; reply: Buffer }> {
    const socket = await mesh.client.connect('127.0.0.1', 15080)
    socket.write(Buffer.from([5, 1, 0]))
    expect((await once(socket, 'data'))[0]).toEqual(Buffer.from([5, 0]))
    socket.write(Buffer.from([5, 1, 0, ...target, port >> 8, port & 0xff]))
    return { socket, reply: ((await once(socket, 'data')) as [Buffer])[0] }
  }

  it.each([
    { title: 'an address', target: address(serverVip) },
    { title: 'a short name of the mesh', target: name('server') },
    { title: 'a full name of the mesh', target: name(serverHost) }
  ])('carries what was asked for by $title as an outbound connection of the pod', async ({ target }) => {
    const { socket, reply } = await request(target, 80)
    const port = socket.localPort
    expect(reply).toEqual(success)
    socket.end('through')
    expect((await readAll(socket)).toString()).toBe('throughthrough')
    const line = await mesh.node.line(new RegExp(`src.addr=127.0.0.1:${port} .*direction="outbound"`))
    expect(line).toContain('connection complete')
    expect(line).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/client"')
    expect(line).toContain(`dst.hbone_addr=${mesh.server.ip}:8080 dst.service="${serverHost}"`)
  })

  it('closes after its success what cannot be reached, and says so for a name without address', async () => {
    const { socket, reply } = await request(address('127.0.0.1'), 15080)
    expect(reply).toEqual(success)
    await readAll(socket)
    await mesh.node.line(/dst.addr=127.0.0.1:15080 .*attempted recursive call to ourselves/)
    expect((await request(name('nobody.example'), 80)).reply).toEqual(Buffer.from([5, 4, 0, 1, 0, 0, 0, 0, 0, 0]))
  })

  it('is judged by the policies of the other side', async () => {
    await mesh.controlPlane.setPolicies(new Map([denyPrincipal('no-client', 'client')]))
    try {
      const { socket, reply } = await request(address(serverVip), 80)
      const port = socket.localPort
      expect(reply).toEqual(success)
      await readAll(socket).catch(() => undefined)
      await mesh.node.line(new RegExp(`src.addr=127.0.0.1:${port} .*error="http status: 401 Unauthorized"`))
    } finally {
      await mesh.controlPlane.setPolicies(new Map())
    }
  })

  it('is reached from the pod alone', async () => {
    const socket = await mesh.outsider.connect(mesh.client.ip, 15080)
    socket.on('error', () => undefined)
    socket.write(Buffer.from([5, 1, 0]))
    expect((await readAll(socket).catch(() => Buffer.alloc(0))).length).toBe(0)
    await mesh.node.line(/dst.addr=10.77.0.2:15080 direction="inbound" error="attempted recursive call to ourselves"/)
  })
})

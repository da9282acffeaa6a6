import { once } from 'node:events'
import type { Socket } from 'node:net'
import { authorizationTypeUrl } from '@culvert/workloads'
import { describe, expect, it } from 'vitest'
import { startControlPlane } from './control-plane.ts'
import { denyPrincipal, echo, type Mesh, readAll, roundTrip, serverVip, notRoot, startMesh, titled } from './mesh.ts'
import { isListening, startNode, type TestNode, until } from './node.ts'
import { openTunnel } from './stand-ins.ts'

async function meshWith(deadline: string): Promise<Mesh> {
  const mesh = await startMesh({ env: { CONNECTION_TERMINATION_DEADLINE: deadline } })
  await mesh.server.listen(8080, echo)
  return mesh
}

/** A connection that has carried a byte. */
async function open(mesh: Mesh): Promise<Socket> {
  const socket = await mesh.client.connect(serverVip, 80)
  expect(await carries(socket)).toBe(true)
  return socket
}

async function carries(socket: Socket): Promise<boolean> {
  socket.write('y')
  return await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)])
}

const refusesNewcomers = ({ client }: Mesh): Promise<void> =>
  until(async () => !(await isListening(client.netns, 15001)))

const quit = async (node: TestNode): Promise<void> => {
  expect((await node.http(15000, '/quitquitquit', { method: 'POST' })).status).toBe(200)
}

describe.skipIf(notRoot)(titled('a proxy that is told to end'), () => {
  it.each([
    { by: 'SIGINT', tell: async ({ process }: TestNode) => void process.kill('SIGINT') },
    { by: '/quitquitquit', tell: quit }
  ])('by $by lets open connections finish and ends with 0', async ({ tell }) => {
    await using mesh = await meshWith('5m')
    const socket = await open(mesh)
    await tell(mesh.node)
    await refusesNewcomers(mesh)
    // Its own servers go first: whoever probes it is refused.
    for (const port of [15000, 15020, 15021]) expect(await mesh.node.listens(port)).toBe(false)
    expect(await carries(socket)).toBe(true)
    const [status] = await Promise.all([once(mesh.node.process, 'exit'), roundTrip(socket, 'bye')])
    expect(status).toEqual([0, null])
  })

  it('twice by SIGTERM is told nothing new, and by a second SIGINT ends at once', async () => {
    await using mesh = await meshWith('5m')
    const socket = await open(mesh)
    const { process } = mesh.node
    process.kill('SIGTERM')
    await refusesNewcomers(mesh)
    process.kill('SIGTERM')
    process.kill('SIGINT')
    expect(await carries(socket)).toBe(true)
    process.kill('SIGINT')
    expect(await once(process, 'exit')).toEqual([0, null])
  })

  it('tells its peers that it goes, and goes on with the streams they have', async () => {
    await using mesh = await meshWith('5m')
    const { controlPlane, outsider: from, server: to } = mesh
    const { session } = await openTunnel(controlPlane, { from, to, identity: 'spiffe://cluster.local/ns/shop/sa/peer' })
    const stream = session.request({ ':method': 'CONNECT', ':authority': `${to.ip}:8080` })
    await once(stream, 'response')
    const goaway = once(session, 'goaway')
    mesh.node.process.kill('SIGTERM')
    expect((await goaway)[0]).toBe(0)
    stream.write('still here')
    expect(String((await once(stream, 'data'))[0])).toBe('still here')
    const ended = once(mesh.node.process, 'exit')
    stream.resume().end()
    expect(await ended).toEqual([0, null])
  })

  it('still goes by the policies that come while it drains', async () => {
    await using mesh = await meshWith('5m')
    const socket = await open(mesh)
    mesh.node.process.kill('SIGTERM')
    await refusesNewcomers(mesh)
    expect(await carries(socket)).toBe(true)
    const ended = once(mesh.node.process, 'exit')
    // The proxy may be gone before it could acknowledge them.
    void mesh.controlPlane.setPolicies(new Map([denyPrincipal('no-client', 'client')]))
    await readAll(socket).catch(() => undefined)
    socket.destroy()
    expect(await ended).toEqual([0, null])
  })

  it('cuts at its deadline what is left, and says of each that it was the drain', async () => {
    await using mesh = await meshWith('300ms')
    const socket = await open(mesh)
    const { localPort } = socket
    const closed = once(mesh.node.process, 'close')
    mesh.node.process.kill('SIGTERM')
    expect(await closed).toEqual([0, null])
    const line = mesh.node.lines().find(each => each.includes(`src.addr=${mesh.client.ip}:${localPort} `))
    expect(line).toMatch(/\terror\taccess\tconnection complete\t.*error="connection closed due to connection drain"$/)
  })

  it('before its first sync ends without waiting for it', async () => {
    await using stack = new AsyncDisposableStack()
    const controlPlane = stack.use(await startControlPlane())
    controlPlane.hold(authorizationTypeUrl)
    const node = stack.use(await startNode({ controlPlane, env: { CONNECTION_TERMINATION_DEADLINE: '5m' } }))
    await node.line(/component="readiness"/)
    node.process.kill('SIGTERM')
    expect(await once(node.process, 'exit')).toEqual([0, null])
  })
})

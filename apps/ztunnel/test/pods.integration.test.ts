import { once } from 'node:events'
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listenSeqpacket, listenTcp, type Netns, type SeqpacketSocket } from '@culvert/netns'
import { describe, expect, it } from 'vitest'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { denyPrincipal, echo, podWorkload, roundTrip, notRoot, snapshotPod, titled } from './mesh.ts'
import { isListening, must, startNode, type TestNode, until } from './node.ts'
import { createPods, type TestPod } from './pods.ts'

interface Scene extends AsyncDisposable {
  readonly controlPlane: ControlPlane
  readonly client: TestPod
  readonly server: TestPod
  readonly start: (options?: { pods?: TestPod[]; env?: Record<string, string> }) => Promise<TestNode>
}

async function scene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack()
  const controlPlane = stack.use(await startControlPlane())
  const pods = stack.use(await createPods())
  const client = await pods.add('client')
  const server = await pods.add('server')
  await server.listen(8080, echo)
  await controlPlane.setAddresses(new Map([podWorkload(client), podWorkload(server)]))
  const nodes = new AsyncDisposableStack()
  const disposal = stack.move()
  return {
    controlPlane,
    client,
    server,
    start: async ({ pods: known = [client, server], env = {} } = {}) =>
      nodes.use(await startNode({ controlPlane, pods: known.map(snapshotPod), env })),
    [Symbol.asyncDispose]: async () => {
      await nodes.disposeAsync()
      await disposal.disposeAsync()
    }
  }
}

const podPorts = [15001, 15006, 15008, 15053]
const listening = (netns: Netns): Promise<boolean[]> => Promise.all(podPorts.map(port => isListening(netns, port)))
const all = podPorts.map(() => true)
const none = podPorts.map(() => false)

/** A connection through the proxies that has carried a byte. */
async function openConnection({ client, server }: Scene): Promise<Socket> {
  const socket = await client.connect(server.ip, 8080)
  socket.on('end', () => socket.end())
  socket.write('x')
  await once(socket, 'data')
  return socket
}

async function carries(socket: Socket): Promise<boolean> {
  socket.write('y')
  const got = await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)])
  return got
}

async function metric(node: TestNode, name: string): Promise<number> {
  const { body } = await node.http(15020, '/metrics')
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1])
}

describe.skipIf(notRoot)(titled('pods of a node'), () => {
  it('[zds-3] listens inside a pod and nowhere else', async () => {
    await using mesh = await scene()
    const node = await mesh.start({ pods: [mesh.client] })
    await node.ready()
    expect(await listening(mesh.client.netns)).toEqual(all)
    expect(await listening(mesh.server.netns)).toEqual(none)
    const own = await Promise.all(podPorts.map(node.listens))
    expect(own).toEqual(none)
  })

  it('[zds-21] marks its sockets and shares their ports with a second proxy', async () => {
    await using mesh = await scene()
    const [first, second] = [await mesh.start(), await mesh.start()]
    await Promise.all([first.ready(), second.ready()])
    const table = await must(mesh.client.netns, 'ss', ['-Htlne'])
    const rows = table.split('\n').filter(row => /:(15001|15006|15008|15053)\s/.test(row))
    // Two of each, DNS on both loopback addresses.
    expect(rows).toHaveLength(10)
    for (const row of rows) expect(row).toContain('fwmark:0x539')
    const dns = rows.filter(row => row.includes(':15053'))
    for (const row of dns) expect(row).toMatch(/^LISTEN\s+0\s+128\s/)
  })

  it('[zds-9] keeps the connections of a pod that is added again', async () => {
    await using mesh = await scene()
    const node = await mesh.start()
    await node.ready()
    const socket = await openConnection(mesh)
    const { uid, info, netns } = snapshotPod(mesh.client)
    await node.zds.add(uid, info, netns as Netns)
    expect(await carries(socket)).toBe(true)
    expect(await metric(node, 'workload_manager_proxies_started_total')).toBe(2)
  })

  it('[zds-10] moves with a pod to another namespace', async () => {
    await using mesh = await scene()
    const node = await mesh.start({ pods: [mesh.client] })
    await node.ready()
    const { uid, info } = snapshotPod(mesh.client)
    await node.zds.add(uid, info, mesh.server.netns)
    await until(async () => !(await listening(mesh.client.netns)).includes(true))
    expect(await listening(mesh.server.netns)).toEqual(all)
    expect(await metric(node, 'workload_manager_active_proxy_count')).toBe(1)
  })

  it('[zds-11] retries a pod whose port is taken, and is not ready meanwhile', async () => {
    await using mesh = await scene()
    const { fd } = listenTcp(mesh.client.netns, { ip: '::', port: 15008 })
    const node = await mesh.start({ pods: [mesh.client], env: { INPOD_PORT_REUSE: 'false' } })
    await node.line(/cannot start the proxy of a pod/)
    await until(
      async () => (await node.http(15021, '/healthz/ready')).body === 'not ready, pending: workload proxy manager\n'
    )
    // What was bound before the failure is gone again.
    expect(await isListening(mesh.client.netns, 15053)).toBe(false)
    expect(JSON.parse((await node.http(15000, '/config_dump')).body).workloadState).toMatchObject({
      'uid-client': { state: 'Pending' }
    })
    closeSync(fd)
    const freed = performance.now()
    await node.ready()
    expect(performance.now() - freed).toBeLessThan(6_000)
    expect(await metric(node, 'workload_manager_proxies_started_total')).toBe(1)
  })

  it('[zds-18] breaks the connections of a deleted pod at once', async () => {
    await using mesh = await scene()
    const node = await mesh.start()
    await node.ready()
    const socket = await openConnection(mesh)
    const closed = once(socket, 'close')
    await node.zds.delete('uid-client')
    await closed
    expect(await node.line(/connection drain/)).toMatch(
      /\terror\taccess\tconnection complete\t.*error="connection closed due to connection drain"$/
    )
    await until(async () => !(await listening(mesh.client.netns)).includes(true))
    expect(await listening(mesh.server.netns)).toEqual(all)
  })

  it('[zds-17] [hbone-30] drains on SIGTERM: leaves the agent, refuses newcomers, lets the open connection finish', async () => {
    await using mesh = await scene()
    const node = await mesh.start({ env: { CONNECTION_TERMINATION_DEADLINE: '10s' } })
    await node.ready()
    const socket = await openConnection(mesh)
    node.process.kill('SIGTERM')
    await until(async () => !(await listening(mesh.client.netns)).includes(true))
    expect(node.process.exitCode).toBeNull()
    expect(await carries(socket)).toBe(true)
    const [status] = await Promise.all([once(node.process, 'exit'), roundTrip(socket, 'bye')])
    expect(status).toEqual([0, null])
  })

  it('[hbone-30] cuts what is left at the deadline', async () => {
    await using mesh = await scene()
    const node = await mesh.start({ env: { CONNECTION_TERMINATION_DEADLINE: '500ms' } })
    await node.ready()
    const socket = await openConnection(mesh)
    const closed = once(socket, 'close')
    const start = performance.now()
    node.process.kill('SIGTERM')
    await Promise.all([closed, once(node.process, 'exit')])
    expect(node.process.exitCode).toBe(0)
    expect(performance.now() - start).toBeGreaterThan(400)
    expect(performance.now() - start).toBeLessThan(5_000)
  })

  it('goes on serving and following policies while the agent is gone', async () => {
    await using mesh = await scene()
    const node = await mesh.start()
    await node.ready()
    await node.zds.close()
    const socket = await openConnection(mesh)
    const closed = once(socket, 'close')
    await mesh.controlPlane.setPolicies(new Map([denyPrincipal('late', 'client')]))
    await closed
  })
})

describe.skipIf(notRoot)(titled('the socket of the node agent'), () => {
  it('[zds-1] greets first, and ends with 1 when the protocol is not the one it knows', async () => {
    await using stack = new AsyncDisposableStack()
    const folder = mkdtempSync(join(tmpdir(), 'culvert-zds-'))
    stack.defer(async () => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'z.sock')
    const accepted = Promise.withResolvers<SeqpacketSocket>()
    const listener = listenSeqpacket(path, { onConnection: accepted.resolve })
    stack.defer(async () => listener.close())
    const controlPlane = stack.use(await startControlPlane())
    const node = stack.use(await startNode({ controlPlane, env: { INPOD_UDS: path } }))

    const socket = await accepted.promise
    const receive = async (): Promise<string> =>
      (await socket.receive({ maxBytes: 1024, maxFds: 0 }))?.bytes.toString('hex') ?? ''
    expect(await receive()).toBe('0801')
    await socket.send(Buffer.from('1a00', 'hex'))
    expect(await receive()).toBe('0a00')
    await node.ready()
    await socket.send(Buffer.from('1a00', 'hex'))
    const nack = Buffer.from('failure to process message : ProtocolError("pod snapshot received already")').toString(
      'hex'
    )
    expect(await receive()).toBe(`0a4d0a4b${nack}`)
    await once(node.process, 'exit')
    expect(node.process.exitCode).toBe(1)
    socket.close()
  })
})

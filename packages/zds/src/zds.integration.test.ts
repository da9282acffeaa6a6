import { once } from 'node:events'
import net from 'node:net'
import { connectTcp, createNetns, listenTcp, type Netns, run } from '@culvert/netns'
import { notRoot, titled } from '@culvert/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench, silent } from '../test/bench.ts'
import { createZdsClient, type ZdsClient } from './client.ts'
import { createPodSet, type PodSet } from './pod-set.ts'
import { createZdsServer, type SnapshotPod, type ZdsServer } from './server.ts'

const info = { name: 'cart-0', namespace: 'shop', serviceAccount: 'cart' }
const ports = [15001, 15006, 15008]

/** A proxy that only listens and echoes. */
interface Ztunnel {
  readonly client: ZdsClient
  readonly pods: PodSet
  readonly ready: () => boolean
}

describe.skipIf(notRoot)(titled('both ends over real namespaces'), () => {
  let bench: Bench
  let server: ZdsServer
  let cache: Map<string, SnapshotPod>
  let connections: number
  let ztunnels: Ztunnel[]

  beforeEach(() => {
    bench = createBench()
    cache = new Map()
    ztunnels = []
    server = startServer()
  })

  afterEach(async () => {
    for (const { client, pods } of ztunnels) {
      await client.stop()
      await pods.drain({ deadline: AbortSignal.abort() })
    }
    await server.close()
    bench[Symbol.dispose]()
  })

  function startServer(): ZdsServer {
    const created = createZdsServer({
      path: bench.path,
      snapshot: () => [...cache.values()],
      log: silent,
      onConnectionCount: count => (connections = count)
    })
    created.accept()
    return created
  }

  async function startZtunnel(options: { reusePort?: boolean } = {}): Promise<Ztunnel> {
    let ready = false
    const pods = createPodSet({
      log: silent,
      onReady: value => (ready = value),
      start: async pod => {
        const fds: number[] = []
        for (const port of ports) {
          const { reusePort = true } = options
          fds.push(listenTcp(pod.netns, { ip: '::', port, mark: 1337, reusePort, transparent: 'auto' }).fd)
        }
        const sockets = new Set<net.Socket>()
        const serve = (socket: net.Socket): void => {
          sockets.add(socket)
          socket.on('error', () => {})
          socket.pipe(socket)
        }
        const servers = fds.map(fd => net.createServer(serve).listen({ fd }, 128))
        const close = async (): Promise<void> => {
          for (const socket of sockets) socket.destroy()
          await Promise.all(servers.map(listener => once(listener.close(), 'close')))
        }
        return { close, drain: close }
      }
    })
    const client = createZdsClient({ path: bench.path, handler: pods, log: silent, onFatal: () => {} })
    const before = connections ?? 0
    client.start()
    ztunnels.push({ client, pods, ready: () => ready })
    await expect.poll(() => [connections, ready], { timeout: 10_000 }).toEqual([before + 1, true])
    return ztunnels.at(-1)!
  }

  async function newPod(): Promise<Netns> {
    const netns = createNetns()
    bench.onEnd(() => netns.close())
    await run(netns, 'ip', ['link', 'set', 'lo', 'up'])
    return netns
  }

  const listening = async (netns: Netns): Promise<number[]> => {
    const { stdout } = await run(netns, 'ss', ['-ltnH'])
    return [...new Set([...stdout.matchAll(/\*:(\d+)/g)].map(match => Number(match[1])))].sort()
  }

  beforeEach(() => {
    connections = 0
  })

  it('an ack means that the listeners are bound in the pod', async () => {
    const pod = await newPod()
    await startZtunnel()
    await server.add('a', info, pod)
    expect(await listening(pod)).toEqual(ports)
    const socket = await connectTcp(pod, { ip: '127.0.0.1', port: 15006 }, { timeout: 5000 })
    socket.write('ping')
    expect(String((await once(socket, 'data'))[0])).toBe('ping')
    await server.delete('a')
    await once(socket.resume(), 'close')
    await expect.poll(() => listening(pod)).toEqual([])
  })

  it('[zds-9] a repeated add leaves open connections alone', async () => {
    const pod = await newPod()
    await startZtunnel()
    await server.add('a', info, pod)
    const socket = await connectTcp(pod, { ip: '127.0.0.1', port: 15008 }, { timeout: 5000 })
    await server.add('a', info, pod)
    socket.write('still there')
    expect(String((await once(socket, 'data'))[0])).toBe('still there')
    socket.destroy()
  })

  it('[zds-10] moves to another namespace', async () => {
    const [first, second] = [await newPod(), await newPod()]
    const { pods } = await startZtunnel()
    await server.add('a', info, first)
    await server.add('a', info, second)
    expect(await listening(second)).toEqual(ports)
    await expect.poll(() => listening(first)).toEqual([])
    expect(pods.running).toHaveLength(1)
  })

  it('[zds-14, 15] survives the node agent, keeps what the next snapshot names', async () => {
    const [x, y] = [await newPod(), await newPod()]
    const ztunnel = await startZtunnel()
    await server.add('x', info, x)
    await server.add('y', info, y)
    const socket = await connectTcp(x, { ip: '127.0.0.1', port: 15001 }, { timeout: 5000 })
    await server.close()
    await expect.poll(ztunnel.ready).toBe(false)
    expect([await listening(x), await listening(y)]).toEqual([ports, ports])
    cache.set('x', { uid: 'x', info, netns: undefined })
    server = startServer()
    await expect.poll(ztunnel.ready, { timeout: 10_000 }).toBe(true)
    expect(await listening(x)).toEqual(ports)
    await expect.poll(() => listening(y)).toEqual([])
    socket.write('same proxy')
    expect(String((await once(socket, 'data'))[0])).toBe('same proxy')
    socket.destroy()
  })

  it('[zds-21, 24] two ztunnels share a pod; the newer gets adds, both get deletes', async () => {
    const [shared, fresh] = [await newPod(), await newPod()]
    cache.set('shared', { uid: 'shared', info, netns: shared })
    const old = await startZtunnel()
    const latest = await startZtunnel()
    expect([old.pods.running.length, latest.pods.running.length]).toEqual([1, 1])
    await server.add('fresh', info, fresh)
    expect([old.pods.running.length, latest.pods.running.length]).toEqual([1, 2])
    await server.delete('shared')
    expect([old.pods.running.length, latest.pods.running.length]).toEqual([0, 1])
  })

  it('without port reuse the newer one has to wait, and says why', async () => {
    const pod = await newPod()
    await startZtunnel({ reusePort: false })
    await server.add('a', info, pod)
    const latest = await startZtunnel({ reusePort: false })
    await expect(server.add('a', info, pod)).rejects.toMatchObject({
      code: 'ZDS_NACK',
      message: expect.stringMatching(/^got ack error: failure to start proxy : cannot bind TCP .*EADDRINUSE/)
    })
    expect(latest.pods.pending.map(({ uid }) => uid)).toEqual(['a'])
  })
})

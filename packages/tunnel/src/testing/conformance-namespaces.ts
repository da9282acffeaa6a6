import { run } from '@culvert/netns'
import { expect, it } from 'vitest'
import type { SocketSettings } from '../data-path.ts'
import { direct, readAll, type TestMesh } from './test-mesh.ts'
import type { TestPod } from './test-pod.ts'
import {
  addressTeller,
  CLIENT_IP,
  connectedPods,
  connectFrom,
  PROXY_MARK,
  SERVER_IP,
  type TestPods
} from './test-pods.ts'

const APPLICATION = { ip: SERVER_IP, port: 8080 }
const PORTS = { outbound: 15001, 'inbound-plaintext': 15006, 'inbound-hbone': 15008 } as const

/** What needs real network namespaces, so root and iptables (hbone 2.1, 3.4, 4). */
export function namespacesConformance(createMesh: () => TestMesh): void {
  async function pods(
    mesh: TestMesh,
    originalSource: 'auto' | 'never',
    from: string | undefined,
    more: Partial<SocketSettings> = {}
  ): Promise<TestPods & { readonly clientPod: TestPod; readonly serverPod: TestPod }> {
    const { client, server } = await connectedPods(mesh, APPLICATION.port)
    await addressTeller(mesh, server, APPLICATION)
    const sockets = { mark: PROXY_MARK, reusePort: true, originalSource, ...more }
    const serverPod = await mesh.server({
      netns: server,
      ip: '0.0.0.0',
      ports: PORTS,
      sockets,
      stream: ({ source }) => direct(APPLICATION, { from: from ?? source.ip })
    })
    const clientPod = await mesh.client(() => ({ ip: SERVER_IP, port: 15008 }), APPLICATION, {
      netns: client,
      ip: '0.0.0.0',
      ports: PORTS,
      sockets
    })
    return { client, server, clientPod, serverPod }
  }

  it('captures a connection, knows where it was going, and shows the application its client', async () => {
    await using mesh = createMesh()
    const { client, clientPod, serverPod } = await pods(mesh, 'auto', undefined)
    expect(serverPod.path.originalSource).toBe(true)
    const socket = await connectFrom(mesh, client, APPLICATION)
    expect((await readAll(socket)).toString()).toBe(CLIENT_IP)
    expect(clientPod.captured).toMatchObject([
      { role: 'outbound', source: { ip: CLIENT_IP }, destination: APPLICATION }
    ])
    expect(serverPod.streams).toMatchObject([{ source: { ip: CLIENT_IP }, local: { ip: SERVER_IP, port: 15008 } }])
  })

  it('takes no address of others when told never to', async () => {
    await using mesh = createMesh()
    const { client, serverPod } = await pods(mesh, 'never', undefined)
    expect(serverPod.path.originalSource).toBe(false)
    const socket = await connectFrom(mesh, client, APPLICATION)
    expect((await readAll(socket)).toString()).toBe(SERVER_IP)
  })

  it('keeps its own address when a pod calls itself', async () => {
    await using mesh = createMesh()
    const { client } = await pods(mesh, 'auto', SERVER_IP)
    const socket = await connectFrom(mesh, client, APPLICATION)
    expect((await readAll(socket)).toString()).toBe(SERVER_IP)
  })

  it('marks listeners and the connections it makes as told', async () => {
    await using mesh = createMesh()
    const { client, clientPod } = await pods(mesh, 'auto', undefined, { listenerMark: 0x222 })
    await readAll(await connectFrom(mesh, client, APPLICATION))
    await clientPod.outcome()
    const marks = async (args: string[]): Promise<readonly (string | undefined)[]> => {
      const { stdout } = await run(client, 'ss', ['-Hne', ...args])
      return [...stdout.matchAll(/fwmark:(\S+)/g)].map(([, mark]) => mark)
    }
    expect(await marks(['-tl'])).toEqual(['0x222', '0x222', '0x222'])
    expect(await marks(['-t', 'dport', '= :15008'])).toEqual(['0x539'])
  })

  it('lets two pods bind the same ports in their namespaces, and frees them when they close', async () => {
    await using mesh = createMesh()
    const { serverPod, server } = await pods(mesh, 'auto', undefined)
    await serverPod.path.close()
    const sockets = { mark: PROXY_MARK, reusePort: false }
    const again = await mesh.server({ netns: server, ip: '0.0.0.0', ports: PORTS, sockets })
    expect(again.path.listeners.map(({ port }) => port)).toEqual([15001, 15006, 15008])
  })
}

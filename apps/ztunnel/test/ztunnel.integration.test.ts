import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { type AddressMessage, TunnelProtocol } from '@culvert/workloads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { startNode, type TestNode, until } from './node.ts'
import { createPods, type TestPod, type TestPods } from './pods.ts'

const reason = process.getuid?.() === 0 ? undefined : 'needs root for network namespaces'

const bytes = (ip: string): Uint8Array => Uint8Array.from(ip.split('.').map(Number))

function workload(pod: TestPod, fields: AddressMessage['workload'] = {}): [string, AddressMessage] {
  const uid = `Kubernetes//Pod/shop/${pod.name}`
  return [
    uid,
    {
      workload: {
        uid,
        name: pod.name,
        namespace: 'shop',
        serviceAccount: pod.name,
        addresses: [bytes(pod.ip)],
        tunnelProtocol: TunnelProtocol.HBONE,
        node: 'node-1',
        workloadName: pod.name,
        canonicalName: pod.name,
        canonicalRevision: 'v1',
        clusterId: 'Kubernetes',
        services: { 'shop/server.shop.svc.cluster.local': { ports: [{ servicePort: 80, targetPort: 8080 }] } },
        ...fields
      }
    }
  ]
}

const service: [string, AddressMessage] = [
  'shop/server.shop.svc.cluster.local',
  {
    service: {
      name: 'server',
      namespace: 'shop',
      hostname: 'server.shop.svc.cluster.local',
      addresses: [{ network: '', address: bytes('10.96.7.7') }],
      ports: [{ servicePort: 80, targetPort: 8080 }]
    }
  }
]

function echo(socket: Socket): void {
  socket.pipe(socket)
}

async function roundTrip(socket: Socket, text: string): Promise<string> {
  socket.end(text)
  let got = ''
  for await (const chunk of socket) got += chunk
  return got
}

describe.skipIf(reason)(`ztunnel between pods${reason === undefined ? '' : ` (${reason})`}`, () => {
  let controlPlane: ControlPlane
  let pods: TestPods
  let client: TestPod
  let server: TestPod
  let outsider: TestPod
  let node: TestNode

  beforeAll(async () => {
    controlPlane = await startControlPlane()
    pods = await createPods()
    client = await pods.add('client')
    server = await pods.add('server')
    outsider = await pods.add('outsider', { captured: false })
    const { 'shop/server.shop.svc.cluster.local': _, ...none } = {} as Record<string, never>
    controlPlane.setAddresses(new Map([workload(client, { services: none }), workload(server), service]))
    node = await startNode({
      controlPlane,
      pods: [client, server].map(({ name, netns }) => ({
        uid: `uid-${name}`,
        info: { name, namespace: 'shop', serviceAccount: name },
        netns
      })),
      env: { RUST_LOG: 'info' }
    })
    await node.ready()
    await server.listen(8080, echo)
  })

  afterAll(async () => {
    await node?.stop()
    await controlPlane?.close()
    pods?.close()
  })

  it('carries a connection to a service through HBONE and logs both sides', async () => {
    const socket = await client.connect('10.96.7.7', 80)
    expect(await roundTrip(socket, 'hello there')).toBe('hello there')
    console.log(await node.line(/direction="outbound"/))
    console.log(await node.line(/direction="inbound"/))
  })
})

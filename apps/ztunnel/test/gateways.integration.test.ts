import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { HboneServerStream } from '@culvert/hbone'
import type { AddressMessage, ServiceMessage } from '@culvert/workloads'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import {
  addressBytes,
  denyPrincipal,
  echo,
  podWorkload,
  readAll,
  roundTrip,
  notRoot,
  snapshotPod,
  titled
} from './mesh.ts'
import { startNode, type TestNode } from './node.ts'
import { createPods, type TestPod } from './pods.ts'
import { standIn } from './stand-ins.ts'

const host = 'server.shop.svc.cluster.local'
const gatewayHost = 'gateway.shop.svc.cluster.local'
const vip = '10.96.7.7'
const serverIdentity = 'spiffe://cluster.local/ns/shop/sa/server'

/** A client in the network `here`, a server in the network `there`, and a gateway between them that forwards bytes. */
describe.skipIf(notRoot)(titled('another network'), () => {
  const stack = new AsyncDisposableStack()
  let controlPlane: ControlPlane
  let [client, server, gateway]: TestPod[] = []
  let [near, far]: TestNode[] = []
  const outer: Pick<HboneServerStream, 'authority' | 'peer' | 'peerIdentity' | 'headers'>[] = []

  const know = (service: Partial<ServiceMessage> = {}): Promise<void> =>
    controlPlane.setAddresses(
      new Map<string, AddressMessage>([
        podWorkload(client!, { network: 'here' }),
        podWorkload(server!, {
          network: 'there',
          node: 'node-2',
          networkGateway: { hostname: { namespace: 'shop', hostname: gatewayHost }, hboneMtlsPort: 15009 },
          services: { [`shop/${host}`]: { ports: [{ servicePort: 80, targetPort: 8080 }] } }
        }),
        podWorkload(gateway!, {
          network: 'here',
          node: 'node-3',
          services: { [`shop/${gatewayHost}`]: { ports: [{ servicePort: 15009, targetPort: 15008 }] } }
        }),
        serviceOf('server', [{ servicePort: 80, targetPort: 8080 }], {
          addresses: [{ network: 'here', address: addressBytes(vip) }],
          subjectAltNames: [serverIdentity],
          ...service
        }),
        serviceOf('gateway', [{ servicePort: 15009, targetPort: 15008 }], {})
      ])
    )

  beforeAll(async () => {
    controlPlane = stack.use(await startControlPlane())
    const pods = stack.use(await createPods())
    client = await pods.add('client')
    server = await pods.add('server')
    gateway = await pods.add('gateway', { captured: false })
    await know()
    near = stack.use(await startNode({ controlPlane, pods: [snapshotPod(client)], env: { NETWORK: 'here' } }))
    far = stack.use(
      await startNode({ controlPlane, pods: [snapshotPod(server)], env: { NETWORK: 'there', NODE_NAME: 'node-2' } })
    )
    await Promise.all([near.ready(), far.ready()])
    await server.listen(8080, echo)
    const { ip } = server
    stack.use(
      await standIn(
        controlPlane,
        { pod: gateway, identity: 'spiffe://cluster.local/ns/shop/sa/gateway' },
        async stream => {
          outer.push(stream)
          const onward = await gateway!.connect(ip, 15008)
          const { duplex } = stream.accept()
          duplex.on('error', () => onward.destroy())
          duplex.pipe(onward).pipe(duplex)
        }
      )
    )
  })
  afterAll(() => stack.disposeAsync())
  beforeEach(() => outer.splice(0))

  const connect = async (): Promise<{ socket: Socket; line: Promise<string> }> => {
    const socket = await client!.connect(vip, 80)
    return { socket, line: near!.line(new RegExp(`src.addr=${client!.ip}:${socket.localPort} .*direction="outbound"`)) }
  }

  it('[hbone-26, 8] is reached by a tunnel to its gateway, on the port that its service maps, and a tunnel in it to the server', async () => {
    const { socket, line } = await connect()
    const sent = Buffer.alloc(1 << 20, 'across networks')
    expect((await roundTrip(socket, sent)).equals(sent)).toBe(true)
    expect(await line).toMatch(
      new RegExp(
        `src.workload="client" .* dst.addr=${gateway!.ip}:15008 dst.hbone_addr=${host}:80 dst.service="${host}" ` +
          `dst.workload="server" dst.namespace="shop" dst.identity="${serverIdentity}" dst.cluster="Kubernetes" ` +
          `direction="outbound" bytes_sent=${sent.length} bytes_recv=${sent.length}`
      )
    )
    expect(await line).not.toContain('error=')
    expect(outer).toMatchObject([{ authority: `${host}:80`, peerIdentity: 'spiffe://cluster.local/ns/shop/sa/client' }])
    expect(outer[0]?.headers.map(([name]) => name)).toEqual(['baggage', 'forwarded', 'traceparent'])
    // The address of the gateway says nothing of the source: baggage does, and the certificate.
    expect(await far!.line(new RegExp(`src.addr=${gateway!.ip}:`))).toMatch(
      new RegExp(
        `src.workload="client" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/client" ` +
          `src.cluster="Kubernetes" dst.addr=${server!.ip}:15008 dst.hbone_addr=${host}:80 dst.service="${host}"`
      )
    )
  })

  it('has an inner tunnel for each connection, in one outer tunnel', async () => {
    const first = await connect()
    const second = await connect()
    for (const { socket } of [first, second]) {
      socket.write('x')
      await once(socket, 'data')
    }
    expect(new Set(outer.map(({ peer }) => `${peer.ip}:${peer.port}`)).size).toBe(1)
    const { body } = await far!.http(15020, '/metrics')
    expect(body).toContain('istio_tcp_sockets_open{reporter="destination"} 2\n')
    for (const { socket } of [first, second]) await roundTrip(socket, '')
  })

  it('[hbone-26] is known by the names of the service alone', async () => {
    for (const subjectAltNames of [[], ['spiffe://cluster.local/ns/shop/sa/other']]) {
      await know({ subjectAltNames })
      const { socket, line } = await connect()
      await readAll(socket).catch(() => undefined)
      expect(await line).toContain('error="io error: invalid peer certificate')
      expect(await line).toContain(`expected SAN (${subjectAltNames.join(',')}), got ${serverIdentity}`)
    }
    await know()
  })

  it('answers by its own policies, and no gateway means no way', async () => {
    await controlPlane.setPolicies(new Map([denyPrincipal('no-client', 'client')]))
    const denied = await connect()
    await readAll(denied.socket).catch(() => undefined)
    expect(await denied.line).toContain('error="http status: 401 Unauthorized"')
    await controlPlane.setPolicies(new Map())

    await controlPlane.setAddresses(
      new Map([
        podWorkload(client!, { network: 'here' }),
        podWorkload(server!, {
          network: 'there',
          services: { [`shop/${host}`]: { ports: [{ servicePort: 80, targetPort: 8080 }] } }
        }),
        serviceOf('server', [{ servicePort: 80, targetPort: 8080 }], {
          addresses: [{ network: 'here', address: addressBytes(vip) }]
        })
      ])
    )
    const nowhere = await connect()
    await readAll(nowhere.socket).catch(() => undefined)
    expect(await nowhere.line).toContain('error="no valid routing destination for workload: Workload{server with uid')
    await know()
  })
})

function serviceOf(
  name: string,
  ports: readonly { servicePort: number; targetPort: number }[],
  more: Partial<ServiceMessage>
): [string, AddressMessage] {
  const hostname = `${name}.shop.svc.cluster.local`
  return [`shop/${hostname}`, { service: { name, namespace: 'shop', hostname, ports, ...more } }]
}

import { once } from 'node:events'
import { type ClientHttp2Session, constants } from 'node:http2'
import { gunzipSync } from 'node:zlib'
import { authorizationTypeUrl } from '@culvert/workloads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startControlPlane } from './control-plane.ts'
import { echo, type Mesh, roundTrip, serverVip, notRoot, snapshotPod, startMesh, titled } from './mesh.ts'
import { startNode, until } from './node.ts'
import { createPods } from './pods.ts'
import { openTunnel } from './stand-ins.ts'

interface Connections {
  readonly inbound: readonly unknown[]
  readonly outbound: readonly unknown[]
}

/** As much of the dump as is looked at. */
interface Dump {
  readonly workloadState: Readonly<Record<string, { readonly connections: Connections }>>
  readonly certificates: readonly { readonly certChain: readonly unknown[]; readonly rootCerts: readonly unknown[] }[]
  readonly workloads: readonly { readonly name: string }[]
}

async function ask(
  session: ClientHttp2Session,
  headers: Record<string, string>
): Promise<{ status: number; baggage: unknown; ended: boolean }> {
  const stream = session.request(headers)
  const [response, flags] = await once(stream, 'response')
  stream.resume()
  stream.close()
  return {
    status: response[':status'],
    baggage: response.baggage,
    ended: (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
  }
}

const peer = 'spiffe://cluster.local/ns/shop/sa/peer'

/** From the outsider's namespace to the server. */
const tunnelOf = ({ controlPlane, outsider, server }: Mesh): ReturnType<typeof openTunnel> =>
  openTunnel(controlPlane, { from: outsider, to: server, identity: peer })

describe.skipIf(notRoot)(titled('what operators see'), () => {
  let mesh: Mesh
  beforeAll(async () => {
    mesh = await startMesh()
    await mesh.server.listen(8080, echo)
  })
  afterAll(() => mesh?.[Symbol.asyncDispose]())

  const dump = async (): Promise<Dump> => JSON.parse((await mesh.node.http(15000, '/config_dump')).body) as Dump
  const metric = async (name: string, ...labels: string[]): Promise<number> => {
    const { body } = await mesh.node.http(15020, '/metrics')
    const lines = body.split('\n').filter(line => line.startsWith(name) && labels.every(label => line.includes(label)))
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  it('[observability-dns-9] shows what a fresh process has', async () => {
    const { body } = await mesh.node.http(15020, '/stats/prometheus')
    expect(body).toMatch(/^istio_build\{component="ztunnel",tag="unknown"\} 1$/m)
    expect(body).not.toContain('istio_tcp_connections_opened')
    expect(body).toMatch(/^workload_manager_active_proxy_count 2$/m)
    expect(body).toMatch(/^workload_manager_proxies_started_total 2$/m)
    expect(body.endsWith('# EOF\n')).toBe(true)
    expect((await mesh.node.http(15020, '/other')).status).toBe(404)
  })

  it('[observability-dns-10, 11] serves OpenMetrics text, compressed when asked', async () => {
    const openmetrics = await mesh.node.http(15020, '/metrics', {
      headers: { accept: 'text/plain;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1' }
    })
    expect(openmetrics.headers['content-type']).toBe('application/openmetrics-text;charset=utf-8;version=1.0.0')
    const zipped = await mesh.node.http(15020, '/metrics', { headers: { 'accept-encoding': 'gzip' } })
    expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': 'text/plain; charset=utf-8' })
    expect(gunzipSync(Buffer.from(zipped.body, 'latin1')).toString()).toMatch(/^istio_build.*# EOF\n$/ms)
  })

  it('[observability-dns-7, 15] changes log levels while it runs', async () => {
    const post = async (path: string): Promise<string> => {
      const { status, body } = await mesh.node.http(15000, path, { method: 'POST' })
      return `${status} ${body.split('\n')[0]}`
    }
    await roundTrip(await mesh.client.connect(serverVip, 80), 'x')
    await mesh.node.line(/direction="outbound" bytes_sent=1 /)
    expect(mesh.node.lines().join()).not.toContain('connection opened')
    expect(await post('/logging?level=INFO')).toBe('400 Invalid level provided: INFO')
    expect(await post('/logging?level=access=debug')).toBe(
      '200 current log level is hickory_server::server=off,access=debug,info'
    )
    await roundTrip(await mesh.client.connect(serverVip, 80), 'xy')
    await mesh.node.line(/direction="outbound" bytes_sent=2 /)
    await mesh.node.line(/direction="inbound" bytes_sent=2 /)
    expect(mesh.node.lines().filter(line => line.includes('connection opened'))).toHaveLength(2)
    expect(await post('/logging?reset')).toBe('200 current log level is hickory_server::server=off,info')
    expect((await mesh.node.http(15000, '/logging')).status).toBe(405)
  })

  it('[observability-dns-12] labels a connection with everything known of it', async () => {
    const { body } = await mesh.node.http(15020, '/metrics')
    const line = body.split('\n').find(each => each.startsWith('istio_tcp_connections_opened_total{reporter="source"'))
    expect(line?.replace(/ \d+$/, '')).toBe(
      'istio_tcp_connections_opened_total{reporter="source",source_workload="client",source_canonical_service="client",' +
        'source_canonical_revision="v1",source_workload_namespace="shop",source_principal="spiffe://cluster.local/ns/shop/sa/client",' +
        'source_app="client",source_version="v1",source_cluster="Kubernetes",destination_service="server.shop.svc.cluster.local",' +
        'destination_service_namespace="shop",destination_service_name="server",destination_workload="server",' +
        'destination_canonical_service="server",destination_canonical_revision="v1",destination_workload_namespace="shop",' +
        'destination_principal="spiffe://cluster.local/ns/shop/sa/server",destination_app="server",destination_version="v1",' +
        'destination_cluster="Kubernetes",request_protocol="tcp",response_flags="-",connection_security_policy="mutual_tls",' +
        'source_region="unknown",source_zone="unknown",destination_region="unknown",destination_zone="unknown"}'
    )
  })

  it('[observability-dns-8] [hbone-9, 10] answers 400 to requests that are none of ours, and counts nothing', async () => {
    const { session, socket } = await tunnelOf(mesh)
    const opened = await metric('istio_tcp_connections_opened_total')
    expect(await ask(session, { ':method': 'GET', ':path': '/' })).toEqual({
      status: 400,
      baggage: undefined,
      ended: true
    })
    expect(await ask(session, { ':method': 'CONNECT', ':authority': `${mesh.client.ip}:8080` })).toMatchObject({
      status: 400
    })
    expect((await mesh.node.line(/expected method CONNECT/)).split('\t').slice(1)).toEqual([
      'warn',
      'access',
      'connection failed',
      `src.addr=${mesh.outsider.ip}:${socket.localPort} dst.addr=${mesh.server.ip}:15008 direction="inbound" ` +
        'error="expected method CONNECT, got GET"'
    ])
    await mesh.node.line(new RegExp(`error="ip mismatch: ${mesh.server.ip} != ${mesh.client.ip}"`))
    expect(await metric('istio_tcp_connections_opened_total')).toBe(opened)
    session.destroy()
  })

  it('[observability-dns-13, 18] counts one socket for two streams of a tunnel, and dumps them without a target', async () => {
    const { session } = await tunnelOf(mesh)
    const sockets = await metric('istio_tcp_sockets_open', 'destination')
    const opened = await metric(
      'istio_tcp_connections_opened_total',
      'reporter="destination"',
      'source_principal="spiffe://cluster.local/ns/shop/sa/peer"'
    )
    const streams = [0, 1].map(() =>
      session.request({
        ':method': 'CONNECT',
        ':authority': `${mesh.server.ip}:8080`,
        baggage: 'k8s.deployment.name=peers'
      })
    )
    for (const stream of streams) {
      const [headers] = await once(stream, 'response')
      expect(headers[':status']).toBe(200)
      expect(headers.baggage).toBe(
        'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=server,service.name=server,service.version=v1'
      )
    }
    expect(await metric('istio_tcp_sockets_open', 'destination')).toBe(sockets)
    expect(
      await metric(
        'istio_tcp_connections_opened_total',
        'reporter="destination"',
        'source_workload="peers"',
        'source_app="peers"'
      )
    ).toBe(opened + 2)
    const inbound = (await dump()).workloadState['uid-server']?.connections.inbound
    expect(inbound).toHaveLength(1)
    expect(inbound?.[0]).toMatchObject({ originalDst: null, actualDst: `${mesh.server.ip}:8080`, protocol: 'HBONE' })
    session.destroy()
    await until(async () => (await dump()).workloadState['uid-server']?.connections.inbound.length === 0)
  })

  it('[observability-dns-16, 17] [zds-19] dumps pods, their live connections and certificates', async () => {
    const socket = await mesh.client.connect(serverVip, 80)
    socket.write('x')
    await once(socket, 'data')
    const state = await dump()
    expect(Object.keys(state)).toEqual([
      'certificates',
      'config',
      'policies',
      'services',
      'stagedServices',
      'staticConfig',
      'version',
      'workloadState',
      'workloads'
    ])
    expect(state.workloadState['uid-client']).toMatchObject({
      state: 'Up',
      info: { name: 'client', namespace: 'shop', serviceAccount: 'client' },
      connections: {
        inbound: [],
        outbound: [
          {
            src: `${mesh.client.ip}:${socket.localPort}`,
            originalDst: `${serverVip}:80`,
            actualDst: `${mesh.server.ip}:15008`,
            protocol: 'HBONE'
          }
        ]
      }
    })
    expect(state.workloadState['uid-server']?.connections.inbound).toMatchObject([
      { originalDst: 'server.shop.svc.cluster.local', actualDst: `${mesh.server.ip}:8080`, protocol: 'HBONE' }
    ])
    const [certificate] = state.certificates
    expect(certificate).toMatchObject({ identity: 'spiffe://cluster.local/ns/shop/sa/client', state: 'Available' })
    expect(certificate?.certChain[0]).toMatchObject({
      serialNumber: expect.stringMatching(/^\d+$/),
      validFrom: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    })
    expect(certificate?.rootCerts).toHaveLength(1)
    expect(state.workloads.map(({ name }) => name)).toEqual(['client', 'server'])
    await roundTrip(socket, 'y')
    await until(async () => (await dump()).workloadState['uid-client']?.connections.outbound.length === 0)
  })
})

describe.skipIf(notRoot)(titled('readiness'), () => {
  it('[observability-dns-14] [zds-2] waits for the first sync, then for the node agent, and again when that is gone', async () => {
    await using stack = new AsyncDisposableStack()
    const controlPlane = stack.use(await startControlPlane())
    const pods = stack.use(await createPods())
    const pod = await pods.add('client')
    const release = controlPlane.hold(authorizationTypeUrl)
    const connections: number[] = []
    const node = stack.use(
      await startNode({
        controlPlane,
        pods: [snapshotPod(pod)],
        onConnectionCount: count => connections.push(count)
      })
    )
    const ready = async (): Promise<string> => {
      const { status, body } = await node.http(15021, '/healthz/ready')
      return `${status} ${body}`
    }
    await node.line(/component="readiness"/)
    await until(async () => (await ready()) === '500 not ready, pending: state manager, workload proxy manager\n')
    expect(connections.filter(count => count > 0)).toEqual([])
    release()
    await until(async () => (await ready()) === '200 ready\n', node.lines)
    expect(connections).toContain(1)
    await node.zds.close()
    await until(async () => (await ready()) === '500 not ready, pending: workload proxy manager\n', node.lines)
    // The pod is served all the same.
    const socket = await pod.connect('127.0.0.1', 15053)
    socket.destroy()
  })
})

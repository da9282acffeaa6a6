import type { Socket } from 'node:net'
import {
  type AddressMessage,
  type AuthorizationMessage,
  PolicyAction,
  PolicyScope,
  TunnelProtocol
} from '@culvert/workloads'
import type { SnapshotPod } from '@culvert/zds'
import ipaddr from 'ipaddr.js'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { startNode, type TestNode } from './node.ts'
import { createPods, type TestPod, type TestPods } from './pods.ts'

export { notRoot, titled } from '@culvert/testing'

export const serverHost = 'server.shop.svc.cluster.local'
export const serverVip = '10.96.7.7'
export const emptyVip = '10.96.9.9'

/** A client and a server pod in the mesh, one pod outside it, one node proxy. */
export interface Mesh extends AsyncDisposable {
  readonly controlPlane: ControlPlane
  readonly pods: TestPods
  readonly client: TestPod
  readonly server: TestPod
  readonly outsider: TestPod
  readonly node: TestNode
  /** Tells the proxy of the usual addresses and these besides. */
  readonly know: (...more: readonly [string, AddressMessage][]) => Promise<void>
}

export interface MeshOptions {
  readonly env?: Record<string, string>
  readonly resolvConf?: string
  /** Pods are known by addresses of both families, and both are captured. */
  readonly ipv6?: boolean
  /** Whether to wait for it; by default true. False for who plays the node agent, at INPOD_UDS. */
  readonly ready?: boolean
}

export async function startMesh({ ipv6 = false, ready = true, ...options }: MeshOptions = {}): Promise<Mesh> {
  const stack = new AsyncDisposableStack()
  try {
    const controlPlane = stack.use(await startControlPlane())
    const pods = stack.use(await createPods({ ipv6 }))
    const client = await pods.add('client')
    const server = await pods.add('server')
    const outsider = await pods.add('outsider', { captured: false })
    const both = (pod: TestPod): AddressMessage['workload'] =>
      ipv6 ? { addresses: [addressBytes(pod.ip), addressBytes(pod.ip6)] } : {}
    const usual = [podWorkload(client, both(client)), podWorkload(server, { ...serverServices, ...both(server) })]
    const know: Mesh['know'] = (...more) => controlPlane.setAddresses(new Map([...usual, ...services, ...more]))
    await know()
    const snapshot = [client, server].map(snapshotPod)
    const node = stack.use(await startNode({ controlPlane, pods: snapshot, ...options }))
    if (ready) await node.ready()
    const disposal = stack.move()
    return {
      controlPlane,
      pods,
      client,
      server,
      outsider,
      node,
      know,
      [Symbol.asyncDispose]: () => disposal.disposeAsync()
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

export function snapshotPod({ name, netns }: TestPod): SnapshotPod {
  return { uid: `uid-${name}`, info: { name, namespace: 'shop', serviceAccount: name }, netns }
}

export const addressBytes = (ip: string): Uint8Array => Uint8Array.from(ipaddr.parse(ip).toByteArray())

export function podWorkload(pod: TestPod, fields: AddressMessage['workload'] = {}): [string, AddressMessage] {
  const uid = `Kubernetes//Pod/shop/${pod.name}`
  const workload = {
    uid,
    name: pod.name,
    namespace: 'shop',
    serviceAccount: pod.name,
    addresses: [addressBytes(pod.ip)],
    tunnelProtocol: TunnelProtocol.HBONE,
    node: 'node-1',
    workloadName: pod.name,
    canonicalName: pod.name,
    canonicalRevision: 'v1',
    ...fields
  }
  return [uid, { workload }]
}

export const serverServices: AddressMessage['workload'] = {
  services: { [`shop/${serverHost}`]: { ports: [{ servicePort: 80, targetPort: 8080 }] } }
}

export function serviceAt(name: string, vip: string): [string, AddressMessage] {
  const hostname = `${name}.shop.svc.cluster.local`
  const addresses = [{ network: '', address: addressBytes(vip) }]
  const ports = [{ servicePort: 80, targetPort: 8080 }]
  return [`shop/${hostname}`, { service: { name, namespace: 'shop', hostname, addresses, ports } }]
}

const services = [serviceAt('server', serverVip), serviceAt('empty', emptyVip)]

/** Denies everybody who runs as this account. */
export function denyPrincipal(name: string, account: string): [string, AuthorizationMessage] {
  const principal = { exact: `cluster.local/ns/shop/sa/${account}` }
  return [
    `shop/${name}`,
    {
      name,
      namespace: 'shop',
      scope: PolicyScope.NAMESPACE,
      action: PolicyAction.DENY,
      rules: [{ clauses: [{ matches: [{ principals: [principal] }] }] }]
    }
  ]
}

export function echo(socket: Socket): void {
  socket.pipe(socket)
}

/** Sends everything, half-closes, and reads to the end. */
export async function roundTrip(socket: Socket, text: string | Buffer): Promise<Buffer> {
  socket.end(text)
  return await readAll(socket)
}

export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Sent in `text`; answered with itself twice. */
export function doubleEcho(socket: Socket): void {
  socket.on('data', (chunk: Buffer) => socket.write(Buffer.concat([chunk, chunk])))
  socket.on('end', () => socket.end())
}

import type { AddressMessage } from '@culvert/workloads'
import { type ControlPlane, startControlPlane } from '../control-plane.ts'
import {
  addressBytes,
  podWorkload,
  readAll,
  serverServices,
  serverVip,
  serviceAt,
  notRoot,
  snapshotPod
} from '../mesh.ts'
import { startNode, type TestNode, until } from '../node.ts'
import { createPods, type TestPod, type TestPods } from '../pods.ts'

/** Whose node proxy. */
export type Maker = 'ours' | 'Istio’s'

/** Executable of Istio's node proxy. */
const istios: string | undefined = process.env.CULVERT_PEER_ZTUNNEL

export const unavailable: boolean = notRoot !== undefined || istios === undefined

export const besideIstio = (title: string): string => `${title} beside Istio’s ztunnel (needs CULVERT_PEER_ZTUNNEL)`

export const programOf = (maker: Maker): { readonly program?: string } => (maker === 'ours' ? {} : { program: istios! })

/** Near and far: Istio's twice first, which the others are compared with. */
export const combinations: readonly (readonly [near: Maker, far: Maker])[] = [
  ['Istio’s', 'Istio’s'],
  ['Istio’s', 'ours'],
  ['ours', 'Istio’s'],
  ['ours', 'ours']
]

/** Two nodes: a client on the near one, a server on the far one, a pod outside the mesh. Addresses are the same each time. */
export interface Pair extends AsyncDisposable {
  readonly controlPlane: ControlPlane
  readonly pods: TestPods
  readonly client: TestPod
  readonly server: TestPod
  readonly outsider: TestPod
  readonly near: TestNode
  readonly far: TestNode
  /** Tells the proxies of the usual addresses and these besides; of two with one name the latter counts. */
  readonly know: (...more: readonly [string, AddressMessage][]) => Promise<void>
}

export interface PairOptions {
  readonly near: Maker
  readonly far: Maker
  readonly env?: Readonly<Record<string, string>>
  readonly nearEnv?: Readonly<Record<string, string>>
  readonly farEnv?: Readonly<Record<string, string>>
  readonly resolvConf?: string
  readonly ipv6?: boolean
  /** What the proxies shall know before they start. */
  readonly prepare?: (controlPlane: ControlPlane) => Promise<void>
}

export async function startPair({ ipv6 = false, env = {}, ...options }: PairOptions): Promise<Pair> {
  const stack = new AsyncDisposableStack()
  try {
    const controlPlane = stack.use(await startControlPlane())
    await options.prepare?.(controlPlane)
    const pods = stack.use(await createPods({ ipv6 }))
    const client = await pods.add('client')
    const server = await pods.add('server')
    const outsider = await pods.add('outsider', { captured: false })
    const both = (pod: TestPod): AddressMessage['workload'] =>
      ipv6 ? { addresses: [addressBytes(pod.ip), addressBytes(pod.ip6)] } : {}
    const usual = [
      podWorkload(client, { node: 'node-1', ...both(client) }),
      podWorkload(server, { node: 'node-2', ...serverServices, ...both(server) }),
      serviceAt('server', serverVip)
    ]
    const know: Pair['know'] = (...more) => controlPlane.setAddresses(new Map([...usual, ...more]))
    await know()
    const start = async (
      maker: Maker,
      name: string,
      pod: TestPod,
      more: Readonly<Record<string, string>> = {}
    ): Promise<TestNode> =>
      stack.use(
        await startNode({
          controlPlane,
          ...programOf(maker),
          pods: [snapshotPod(pod)],
          env: { NODE_NAME: name, ...env, ...more },
          ...(options.resolvConf === undefined ? {} : { resolvConf: options.resolvConf })
        })
      )
    const near = await start(options.near, 'node-1', client, options.nearEnv)
    const far = await start(options.far, 'node-2', server, options.farEnv)
    await Promise.all([near.ready(), far.ready()])
    const disposal = stack.move()
    return {
      controlPlane,
      pods,
      client,
      server,
      outsider,
      near,
      far,
      know,
      [Symbol.asyncDispose]: () => disposal.disposeAsync()
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/**
 * Of a line: without time, duration, the ports that the kernel chose, and what the libraries for TLS and HTTP/2 say in
 * words of their own (docs/spec/hbone.md 9 has an ellipsis there).
 */
export const lasting = (text: string): string =>
  text
    .replace(/^\S+\t/, '')
    .replace(/duration="\d+ms"/, 'duration="…"')
    .replace(/((?:tls handshake error|h2 failed|send: io error|receive: io error): ).*"$/, '$1…"')
    .replace(/(?<=:)(?:327[6-9]\d|32[89]\d{2}|3[3-9]\d{3}|[45]\d{4}|6[0-5]\d{3})\b/g, 'PORT')

const aboutConnections = (node: TestNode): readonly string[] =>
  node.lines().filter(line => line.includes('\taccess\tconnection '))

/** What the log of both nodes says of what happens meanwhile: so many lines of each. */
export async function linesOf(
  { near, far }: Pick<Pair, 'near' | 'far'>,
  expected: { readonly near?: number; readonly far?: number },
  act: () => Promise<void>
): Promise<{ readonly near: readonly string[]; readonly far: readonly string[] }> {
  const before = { near: aboutConnections(near).length, far: aboutConnections(far).length }
  await act()
  const since = (node: TestNode, count: number): string[] => aboutConnections(node).slice(count).map(lasting).sort()
  const now = () => ({ near: since(near, before.near), far: since(far, before.far) })
  await until(
    () => now().near.length >= (expected.near ?? 0) && now().far.length >= (expected.far ?? 0),
    () => ['near:', ...near.lines().slice(-8), 'far:', ...far.lines().slice(-8)]
  )
  return now()
}

/** Samples of the families about connections, but for gauges. */
export async function trafficSamples(node: TestNode): Promise<readonly string[]> {
  const { body } = await node.http(15020, '/metrics')
  return body
    .split('\n')
    .filter(line => /^istio_(tcp|crl)_\w+_total\{/.test(line))
    .sort()
}

/** Connects, sends nothing unless there is something, reads to the end; what came and how it ended. */
export async function attempt(pod: TestPod, ip: string, port: number, text?: string): Promise<string> {
  let socket: Awaited<ReturnType<TestPod['connect']>>
  try {
    socket = await pod.connect(ip, port)
  } catch (error) {
    return `not connected: ${(error as { code?: string }).code}`
  }
  if (text !== undefined) socket.end(text)
  try {
    const got = String(await readAll(socket))
    return `${JSON.stringify(got)}, then an end`
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  } finally {
    socket.destroy()
  }
}

import { setTimeout } from 'node:timers/promises'
import { customResources, images, installMesh, meshReady } from '@culvert/demo/mesh'
import { pods } from '@culvert/kubernetes'
import { type Cluster, type CommandResult, createCluster, type Image, type PodRef } from '@culvert/lab'
import { BenchError } from '../errors.ts'
import { nativeProgram } from '../load/native-program.ts'
import { processTree } from '../measure/processes.ts'
import type { Contender } from './contender.ts'
import { setCongestionControl, setSysctl } from './sysctl.ts'
import { type LocalDiscovery, localDiscovery } from './local-discovery.ts'
import { httpPort, loadPods, namespace, policies } from './manifests.ts'

/** A contender's own cluster: the mesh on two nodes, the load's two ends, policies in force. */
export interface Stage extends AsyncDisposable {
  readonly contender: Contender
  readonly cluster: Cluster
  readonly serverIp: string
  /** Runs a program in the client's pod. */
  inClient(command: readonly string[], timeoutMs: number): Promise<CommandResult>
  /** Processes of the node proxies. */
  proxies(): Readonly<Record<Side, readonly number[]>>
  /** The last lines of their logs. */
  proxyLogs(tailLines: number): Promise<Readonly<Record<Side, string>>>
  /** Ends both node proxies and waits until their successors serve. */
  restartProxies(): Promise<void>
}

/** The client's node proxy sends through tunnels, the server's receives. */
export type Side = 'sending' | 'receiving'

const proxyNodes: Record<Side, string> = { sending: 'node-1', receiving: 'node-2' }

export interface StageOptions {
  readonly contender: Contender
  /** Of every socket of the cluster; undefined: the machine's. */
  readonly congestionControl: string | undefined
  /** Discovery from a file and certificates of the test authority, instead of the control plane's. */
  readonly local?: boolean
  readonly signal: AbortSignal
}

const loadImages = (): Record<string, Image> => ({
  'bench/idle': { command: ['sleep', 'infinity'] },
  'bench/http-server': { command: [nativeProgram('http-server')] },
  'bench/iperf3': { command: ['iperf3', '-s'] }
})

export async function createStage(options: StageOptions): Promise<Stage> {
  const { contender, signal } = options
  const mesh = contender.name !== 'direct'
  const local = mesh && options.local ? localDiscovery() : undefined
  const proxy = contender.image ?? images['culvert/ztunnel']!
  const cluster = await createCluster({
    nodes: 2,
    name: `bench-${contender.name}-${process.pid}`,
    images: { ...images, 'culvert/ztunnel': local?.image(proxy) ?? proxy, ...loadImages() },
    crds: customResources(),
    signal
  })
  try {
    // Before there is a socket to speak of: one takes the setting of its namespace when it is made or accepted.
    if (options.congestionControl !== undefined) await setCongestionControl(cluster, options.congestionControl)
    return await prepare({ contender, cluster, mesh, local, options })
  } catch (error) {
    await cluster.close()
    local?.[Symbol.dispose]()
    throw error
  }
}

interface Preparation {
  readonly contender: Contender
  readonly cluster: Cluster
  readonly mesh: boolean
  readonly local: LocalDiscovery | undefined
  readonly options: StageOptions
}

async function prepare({ contender, cluster, mesh, local, options }: Preparation): Promise<Stage> {
  if (mesh) {
    await installMesh(cluster)
    await meshReady(cluster)
  }
  await cluster.apply(loadPods({ mesh }))
  if (mesh) await cluster.apply(policies)
  const ready = await cluster.pods.ready({ namespace, count: 5 })
  for (const name of ['client', 'server']) await roomForConnections(cluster, name)
  if (options.congestionControl !== undefined) await setCongestionControl(cluster, options.congestionControl)
  const serverIp = ready.find(({ metadata }) => metadata?.name === 'server')!.status!.podIP!
  let proxies = await proxyPods(cluster)
  const proxy = (side: Side): PodRef => {
    const found = proxies.get(proxyNodes[side])
    if (found === undefined) throw new BenchError('BENCH_SETUP', `there is no node proxy on ${proxyNodes[side]}`)
    return found
  }

  const stage: Stage = {
    contender,
    cluster,
    serverIp,
    inClient: (command, timeout) => cluster.pods.exec({ namespace, name: 'client' }, command, { timeout }),
    proxies: () => ({
      sending: processTree(cluster.pods.pid(proxy('sending'))),
      receiving: processTree(cluster.pods.pid(proxy('receiving')))
    }),
    proxyLogs: async tailLines => ({
      sending: await cluster.pods.logs(proxy('sending'), { tailLines }),
      receiving: await cluster.pods.logs(proxy('receiving'), { tailLines })
    }),
    restartProxies: async () => {
      for (const old of proxies.values()) await cluster.client.delete(pods, old)
      const rolledOut = cluster.rollout('DaemonSet', { namespace: 'istio-system', name: 'ztunnel' })
      const failure = await rolledOut.then(() => undefined).catch((error: Error) => error)
      proxies = await proxyPods(cluster)
      if (failure !== undefined) {
        const { sending } = await stage.proxyLogs(10)
        throw new BenchError('BENCH_SETUP', `${failure.message}\nthe sending proxy:\n${sending}`, { cause: failure })
      }
      await answers(stage)
    },
    [Symbol.asyncDispose]: async () => {
      await cluster.close()
      local?.[Symbol.dispose]()
    }
  }
  await local?.write(cluster)
  await (local === undefined ? answers(stage) : stage.restartProxies())
  return stage
}

/** The node proxies by their nodes. */
async function proxyPods(cluster: Cluster): Promise<ReadonlyMap<string, { namespace: string; name: string }>> {
  const { items } = await cluster.client.list(pods, { namespace: 'istio-system', labelSelector: 'app=ztunnel' })
  const running = items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
  return new Map(
    running.map(({ metadata, spec }) => [spec!.nodeName!, { namespace: 'istio-system', name: metadata!.name! }])
  )
}

/**
 * What connects thousands of times a second runs out of ports: nearly all of them, and those of connections that have
 * just ended as well. The same for every contender.
 */
async function roomForConnections(cluster: Cluster, name: string): Promise<void> {
  using netns = cluster.pods.netns({ namespace, name })
  await setSysctl(netns, 'net.ipv4.ip_local_port_range', '1024 65000')
  await setSysctl(netns, 'net.ipv4.tcp_tw_reuse', '1')
}

/** Policies and certificates are there when the first answer came through a tunnel: nothing else tells it outside. */
async function answers({ contender, serverIp, inClient, proxyLogs }: Stage): Promise<void> {
  const direct = contender.name === 'direct'
  const until = Date.now() + 30_000
  const url = `http://${serverIp}:${httpPort}/`
  for (;;) {
    const { code, stderr } = await inClient(['curl', '-sS', '-o', '/dev/null', '--max-time', '5', url], 10_000)
    const logs = direct ? undefined : await proxyLogs(10)
    if (code === 0 && (logs === undefined || logs.sending.includes('dst.hbone_addr'))) return
    if (Date.now() > until) {
      const problem = code === 0 ? 'the answer came through no tunnel' : `no answer: ${stderr.trim()}`
      const said = Object.entries(logs ?? {}).map(([side, log]) => `the ${side} proxy:\n${log}`)
      throw new BenchError('BENCH_SETUP', [`${url}: ${problem}`, ...said].join('\n'))
    }
    await setTimeout(100)
  }
}

import { customResources, images, installMesh, meshReady } from '@culvert/demo/mesh'
import { pods } from '@culvert/kubernetes'
import { type Cluster, type CommandResult, createCluster, type Image } from '@culvert/lab'
import { BenchError } from '../errors.ts'
import { nativeProgram } from '../load/native-program.ts'
import { processTree } from '../measure/processes.ts'
import type { Contender } from './contender.ts'
import { setCongestionControl } from './congestion-control.ts'
import { httpPort, loadPods, namespace, policies } from './manifests.ts'

/** A contender's own cluster: the mesh on two nodes, the load's two ends, policies in force. */
export interface Stage extends AsyncDisposable {
  readonly contender: Contender
  readonly cluster: Cluster
  readonly serverIp: string
  /** Runs a program in the client's pod. */
  inClient(command: readonly string[], timeoutMs: number): Promise<CommandResult>
  /** Processes of the node proxies: the client's, which sends through tunnels, and the server's, which receives. */
  proxies(): { readonly sending: readonly number[]; readonly receiving: readonly number[] }
}

export interface StageOptions {
  readonly contender: Contender
  /** Of every socket of the cluster; undefined: the machine's. */
  readonly congestionControl: string | undefined
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
  const replaced = contender.image === undefined ? {} : { 'culvert/ztunnel': contender.image }
  const cluster = await createCluster({
    nodes: 2,
    name: `bench-${contender.name}-${process.pid}`,
    images: { ...images, ...replaced, ...loadImages() },
    crds: customResources(),
    signal
  })
  try {
    // Before there is a socket to speak of: one takes the setting of its namespace when it is made or accepted.
    if (options.congestionControl !== undefined) await setCongestionControl(cluster, options.congestionControl)
    return await prepare({ contender, cluster, mesh, options })
  } catch (error) {
    await cluster.close()
    throw error
  }
}

interface Preparation {
  readonly contender: Contender
  readonly cluster: Cluster
  readonly mesh: boolean
  readonly options: StageOptions
}

async function prepare({ contender, cluster, mesh, options }: Preparation): Promise<Stage> {
  if (mesh) {
    await installMesh(cluster)
    await meshReady(cluster)
  }
  await cluster.apply(loadPods({ mesh }))
  if (mesh) await cluster.apply(policies)
  const ready = await cluster.pods.ready({ namespace, count: 2 })
  if (options.congestionControl !== undefined) await setCongestionControl(cluster, options.congestionControl)
  const serverIp = ready.find(({ metadata }) => metadata?.name === 'server')!.status!.podIP!
  const proxies = mesh ? await proxyPods(cluster) : undefined

  const stage: Stage = {
    contender,
    cluster,
    serverIp,
    inClient: (command, timeout) => cluster.pods.exec({ namespace, name: 'client' }, command, { timeout }),
    proxies: () => {
      if (proxies === undefined) throw new BenchError('BENCH_SETUP', 'there are no proxies without a mesh')
      return { sending: processTree(proxies('node-1')), receiving: processTree(proxies('node-2')) }
    },
    [Symbol.asyncDispose]: () => cluster.close()
  }
  await answers(stage, mesh)
  return stage
}

async function proxyPods(cluster: Cluster): Promise<(node: string) => number> {
  const { items } = await cluster.client.list(pods, { namespace: 'istio-system', labelSelector: 'app=ztunnel' })
  return node => {
    const pod = items.find(({ spec }) => spec?.nodeName === node)
    if (pod === undefined) throw new BenchError('BENCH_SETUP', `there is no node proxy on ${node}`)
    return cluster.pods.pid({ namespace: 'istio-system', name: pod.metadata!.name! })
  }
}

/** Policies and certificates are there when the first answer comes: discovery gives no other sign to the outside. */
async function answers({ cluster, serverIp, inClient }: Stage, mesh: boolean): Promise<void> {
  const until = Date.now() + 30_000
  for (;;) {
    const { code, stderr } = await inClient(
      ['curl', '-sS', '-o', '/dev/null', '--max-time', '5', `http://${serverIp}:${httpPort}/`],
      10_000
    )
    if (code === 0) return
    if (Date.now() > until) {
      const log = mesh ? await lastWords(cluster) : ''
      throw new BenchError('BENCH_SETUP', `the server does not answer the client: ${stderr.trim()}\n${log}`)
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

async function lastWords(cluster: Cluster): Promise<string> {
  const { items } = await cluster.client.list(pods, { namespace: 'istio-system', labelSelector: 'app=ztunnel' })
  const logs = items.map(async ({ metadata }) => {
    const text = await cluster.pods.logs({ namespace: 'istio-system', name: metadata!.name! }, { tailLines: 10 })
    return `${metadata!.name}:\n${text}`
  })
  return (await Promise.all(logs)).join('\n')
}

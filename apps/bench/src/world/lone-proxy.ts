import { readFileSync } from 'node:fs'
import path from 'node:path'
import { images } from '@culvert/demo/mesh'
import { pods, type V1Container, type V1DaemonSet, type V1Pod } from '@culvert/kubernetes'
import { connectTcp, type Netns } from '@culvert/netns'
import { createZdsServer, type ZdsServer } from '@culvert/zds'
import { parseAllDocuments } from 'yaml'
import { BenchError } from '../errors.ts'
import { probe } from '../measure/pauses.ts'
import { residentBytes } from '../measure/memory.ts'
import { processTree, startOfProcess } from '../measure/processes.ts'
import type { Stage } from './stage.ts'

/** A node proxy beside the node's own, as the mesh starts it, but with a node agent that we play. */
export interface LoneProxy extends AsyncDisposable {
  readonly pid: number
  /** From the start of its process until it said that it is ready; milliseconds. */
  readonly startMs: number
  /** The most that it and its children had resident together until it was ready, looked at five times a second. */
  readonly peakBytes: number
  /** Whether its turns can be watched (`watchTurns`). */
  readonly hasProbe: boolean
  /** Hands a pod over; resolves when the proxy has answered that it serves it. */
  addPod(uid: string, netns: Netns): Promise<void>
}

export interface LoneProxyOptions {
  readonly name: string
  /** On top of the manifest's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Path in the container → path on the machine. */
  readonly files?: Readonly<Record<string, string>>
  /** Called when its process runs, with its network namespace, before it is waited for. */
  readonly onRunning?: (netns: Netns) => Promise<void>
  readonly timeoutMs?: number
}

const namespace = 'istio-system'
const readinessPort = 15021
const manifest = path.resolve(import.meta.dirname, '../../../../deploy/mesh/ztunnel.yaml')

export async function startLoneProxy(stage: Stage, options: LoneProxyOptions): Promise<LoneProxy> {
  const { cluster, contender } = stage
  const { name, env = {}, files = {}, onRunning, timeoutMs = 120_000 } = options
  const image = contender.image ?? images['culvert/ztunnel']!
  const hasProbe = contender.name === 'ours'
  const probeFiles = hasProbe ? { [probe.inside]: probe.file } : {}
  cluster.registerImage(`bench/${name}`, { ...image, files: { ...image.files, ...files, ...probeFiles } })
  const directory = cluster.nodes[0]!.path('/run/ztunnel')
  const agent = createZdsServer({ path: path.join(directory, `${name}.sock`), snapshot: () => [], log: silent })
  const close = async (): Promise<void> => {
    await cluster.client.delete(pods, { namespace, name })
    await cluster.waitFor(pods, { namespace, name }, pod => pod === undefined)
    await agent.close()
  }
  agent.listen()
  agent.accept()
  try {
    const probeOptions = hasProbe ? { NODE_OPTIONS: `--import=${probe.inside}` } : {}
    const pod = lonePod(name, { ...env, ...probeOptions, INPOD_UDS: `/var/run/ztunnel/${name}.sock` })
    await cluster.client.create(pods, pod)
    const running = (found: V1Pod | undefined): boolean => found?.status?.phase === 'Running'
    await cluster.waitFor(pods, { namespace, name }, running, { timeout: 30_000 })
    const pid = cluster.pods.pid({ namespace, name })
    if (onRunning !== undefined) {
      using netns = cluster.pods.netns({ namespace, name })
      await onRunning(netns)
    }
    let peakBytes = 0
    const sampling = setInterval(() => {
      peakBytes = Math.max(peakBytes, residentBytes(processTree(pid)))
    }, 200)
    const readyAt = await ready(stage, name, timeoutMs).finally(() => clearInterval(sampling))
    return {
      pid,
      peakBytes,
      hasProbe,
      startMs: readyAt - startOfProcess(pid),
      addPod: (uid, netns) => add(agent, uid, netns),
      [Symbol.asyncDispose]: close
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function add(agent: ZdsServer, uid: string, netns: Netns): Promise<void> {
  try {
    await agent.add(uid, { name: uid, namespace: 'bench', serviceAccount: 'client' }, netns)
  } catch (cause) {
    throw new BenchError('BENCH_REFUSED', `pod ${uid} was not taken: ${(cause as Error).message}`, { cause })
  }
}

/** The pod that the DaemonSet would make, with another image name and environment, found by no selector. */
function lonePod(name: string, env: Readonly<Record<string, string>>): V1Pod {
  const documents = parseAllDocuments(readFileSync(manifest, 'utf8')).map(document => document.toJSON())
  const set = documents.find(({ kind }) => kind === 'DaemonSet') as V1DaemonSet
  const { metadata, spec } = set.spec!.template
  const [container] = spec!.containers as [V1Container]
  const others = (container.env ?? []).filter(variable => !Object.hasOwn(env, variable.name))
  const given = Object.entries(env).map(([key, value]) => ({ name: key, value }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { ...metadata!.labels, app: name } },
    spec: {
      ...spec!,
      nodeSelector: { 'kubernetes.io/hostname': 'node-1' },
      terminationGracePeriodSeconds: 1,
      containers: [{ ...container, image: `bench/${name}`, env: [...others, ...given] }]
    }
  }
}

/** The time at which it first says that it is. Asked often: a kubelet's probes are a second apart. */
async function ready(stage: Stage, name: string, timeoutMs: number): Promise<number> {
  using netns = stage.cluster.pods.netns({ namespace, name })
  const until = Date.now() + timeoutMs
  for (;;) {
    if (await saysReady(netns)) return Date.now()
    if (Date.now() > until) {
      const log = await stage.cluster.pods.logs({ namespace, name }, { tailLines: 10 })
      throw new BenchError('BENCH_REFUSED', `${name} is not ready within ${timeoutMs / 1_000} s:\n${log}`)
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function saysReady(netns: Netns): Promise<boolean> {
  try {
    const socket = await connectTcp(netns, { ip: '127.0.0.1', port: readinessPort }, { timeout: 1_000 })
    socket.end('GET /healthz/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString('latin1').startsWith('HTTP/1.1 200')
  } catch {
    return false // it does not listen yet
  }
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

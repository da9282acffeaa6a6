import net from 'node:net'
import { pipeline } from 'node:stream/promises'
import { pods, type V1Pod } from '@culvert/kubernetes'
import { connectTcp, duplicateNetns, type Netns } from '@culvert/netns'
import { LabError } from '../errors.ts'
import type { ContainerRecord } from '../kubelet/container-record.ts'
import type { PodWorker } from '../kubelet/pod-worker.ts'
import { allNamespaces, enter } from '../machine/enter.ts'
import { runCommand } from '../machine/run-command.ts'
import type { ClusterPods, PodContainerRef, PodRef, PortForward, ReadyQuery } from './cluster-types.ts'
import { waitForObjects, type WaitSource } from './wait.ts'

export interface ClusterPodsOptions {
  readonly waits: WaitSource
  readonly find: (namespace: string, name: string) => PodWorker | undefined
  readonly onError: (error: unknown) => void
}

const label = ({ namespace = 'default', name }: PodRef): string => `${namespace}/${name}`

export function createClusterPods({ waits, find, onError }: ClusterPodsOptions): ClusterPods & AsyncDisposable {
  const forwards = new Set<PortForward>()

  const worker = (ref: PodRef): PodWorker => {
    const found = find(ref.namespace ?? 'default', ref.name)
    if (found === undefined) throw new LabError('LAB_NOT_FOUND', `pod ${label(ref)} is on no node`)
    return found
  }
  const record = (ref: PodContainerRef): ContainerRecord => {
    const found = worker(ref).record(ref.container)
    if (found === undefined) throw new LabError('LAB_NOT_FOUND', `pod ${label(ref)} has no container ${ref.container}`)
    return found
  }
  const runningPid = (ref: PodContainerRef): number => {
    const { state, spec } = record(ref)
    if (state.phase !== 'running') {
      throw new LabError('LAB_NOT_FOUND', `container ${spec.name} of pod ${label(ref)} is ${state.phase}, not running`)
    }
    return state.process.pid
  }
  const sandboxNetns = (ref: PodRef): Netns => {
    const { sandbox } = worker(ref)
    if (sandbox === undefined) throw new LabError('LAB_NOT_FOUND', `pod ${label(ref)} has no network now`)
    return sandbox.netns
  }

  return {
    ready: query => podsReady(waits, query),
    exec: async (ref, command, options = {}) => {
      const { environment } = record(ref)
      const env = { ...Object.fromEntries(environment), ...options.env }
      return runCommand(enter(runningPid(ref), allNamespaces, command), { ...options, env })
    },
    logs: async (ref, options = {}) => {
      const { log, previousLog } = record(ref)
      const lines = (options.previous ? previousLog : log)?.lines() ?? []
      const { tailLines = lines.length } = options
      return lines
        .slice(lines.length - tailLines)
        .map(({ text }) => `${text}\n`)
        .join('')
    },
    netns: ref => duplicateNetns(sandboxNetns(ref)),
    pid: runningPid,
    forward: async (ref, port) => {
      sandboxNetns(ref) // a pod that is not there is refused now, not at the first connection
      const forward = await openForward(() => sandboxNetns(ref), port, onError)
      forwards.add(forward)
      return forward
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...forwards].map(forward => forward.close()))
    }
  }
}

async function openForward(netns: () => Netns, port: number, onError: (error: unknown) => void): Promise<PortForward> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, async socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {}) // also told by the pipelines, once they stand
    try {
      const inside = await connectTcp(netns(), { ip: '127.0.0.1', port }, { allowHalfOpen: true, timeout: 10_000 })
      await Promise.all([pipeline(socket, inside), pipeline(inside, socket)])
    } catch (error) {
      socket.destroy()
      onError(error)
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  server.on('error', onError)
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = new Promise(resolve => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return { port: (server.address() as net.AddressInfo).port, close, [Symbol.asyncDispose]: close }
}

function isReady(pod: V1Pod): boolean {
  if (pod.metadata?.deletionTimestamp) return false
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

async function podsReady(source: WaitSource, query: ReadyQuery): Promise<V1Pod[]> {
  const { namespace = 'default', name, labelSelector, count, timeout = 30_000 } = query
  const selection = {
    namespace,
    labelSelector,
    fieldSelector: name === undefined ? undefined : `metadata.name=${name}`
  }
  const what = name ?? labelSelector ?? 'all pods'
  return waitForObjects(
    source,
    pods,
    selection,
    found => {
      const ready = found.filter(isReady)
      // Pods on their way out neither count nor hold anything up.
      const wanted = count ?? found.filter(pod => !pod.metadata?.deletionTimestamp).length
      return ready.length >= Math.max(1, wanted) ? ready : undefined
    },
    { timeout, description: `pods of namespace ${namespace} (${what}) ready`, explain: describePods }
  )
}

function describePods(found: V1Pod[]): string {
  if (found.length === 0) return 'there are none'
  return found.map(pod => `${pod.metadata!.name}: ${podTrouble(pod)}`).join('; ')
}

/** What a pod that is not ready waits for, from its status. */
function podTrouble(pod: V1Pod): string {
  if (isReady(pod)) return 'ready'
  if (!pod.spec?.nodeName) return 'not assigned to a node'
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
  const details = statuses.flatMap(({ name, ready, state }) => {
    if (ready) return []
    const { waiting, terminated } = state ?? {}
    if (waiting) return [`${name} waiting: ${waiting.reason}${waiting.message ? ` (${waiting.message})` : ''}`]
    if (terminated)
      return [`${name} ended with ${terminated.exitCode}${terminated.message ? `: ${terminated.message}` : ''}`]
    return [`${name} running but not ready`]
  })
  return `${pod.status?.phase ?? 'Pending'} on ${pod.spec.nodeName}${details.length > 0 ? `, ${details.join(', ')}` : ''}`
}

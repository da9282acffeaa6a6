import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'
import type { KubeObject } from '../objects.ts'
import type { Column } from './columns.ts'
import { humanDuration } from './duration.ts'

const podOf = (object: KubeObject): V1Pod => object as unknown as V1Pod
const statuses = (pod: V1Pod): readonly V1ContainerStatus[] => pod.status?.containerStatuses ?? []

export const podColumns: readonly Column[] = [
  {
    name: 'Ready',
    cell(object) {
      const pod = podOf(object)
      return `${statuses(pod).filter(({ ready }) => ready).length}/${pod.spec?.containers.length ?? 0}`
    }
  },
  { name: 'Status', cell: object => podStatus(podOf(object)) },
  { name: 'Restarts', cell: (object, now) => restarts(podOf(object), now) },
  { name: 'IP', wide: true, cell: object => podOf(object).status?.podIP ?? '<none>' },
  { name: 'Node', wide: true, cell: object => podOf(object).spec?.nodeName ?? '<none>' },
  { name: 'Nominated Node', wide: true, cell: object => podOf(object).status?.nominatedNodeName ?? '<none>' },
  { name: 'Readiness Gates', wide: true, cell: () => '<none>' }
]

/** What is the matter with a pod, in a word: the phase, or why a container is not running. */
export function podStatus({ metadata, spec, status }: V1Pod): string {
  let text = status?.reason ?? status?.phase ?? 'Unknown'
  const initial = status?.initContainerStatuses ?? []
  const unfinished = initial.findIndex(({ state, started }, index) => {
    const sidecar = spec?.initContainers?.[index]?.restartPolicy === 'Always'
    return sidecar ? started !== true : state?.terminated?.exitCode !== 0
  })
  if (unfinished >= 0) {
    const { terminated, waiting } = initial[unfinished]?.state ?? {}
    if (terminated !== undefined) text = `Init:${terminated.reason ?? exitText(terminated)}`
    else if (waiting?.reason !== undefined && waiting.reason !== 'PodInitializing') text = `Init:${waiting.reason}`
    else text = `Init:${unfinished}/${spec?.initContainers?.length ?? 0}`
  } else {
    let running = false
    for (const { state, ready } of [...(status?.containerStatuses ?? [])].reverse()) {
      if (state?.waiting?.reason !== undefined) text = state.waiting.reason
      else if (state?.terminated !== undefined) text = state.terminated.reason ?? exitText(state.terminated)
      else if (ready && state?.running !== undefined) running = true
    }
    // Some containers are done and the others still run.
    if (text === 'Completed' && running) {
      text = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
        ? 'Running'
        : 'NotReady'
    }
  }
  if (metadata?.deletionTimestamp === undefined) return text
  return status?.reason === 'NodeLost' ? 'Unknown' : 'Terminating'
}

const exitText = ({ signal, exitCode }: { signal?: number; exitCode: number }): string =>
  signal !== undefined && signal !== 0 ? `Signal:${signal}` : `ExitCode:${exitCode}`

function restarts(pod: V1Pod, now: Date): string {
  const count = statuses(pod).reduce((sum, { restartCount }) => sum + restartCount, 0)
  // Dates are text in stored objects.
  const ends = statuses(pod).map(({ lastState }) => Date.parse(String(lastState?.terminated?.finishedAt)))
  const last = Math.max(...ends.filter(time => !Number.isNaN(time)))
  return count === 0 || !Number.isFinite(last) ? String(count) : `${count} (${humanDuration(now.getTime() - last)} ago)`
}

import type { V1Pod, V1PodCondition, V1PodStatus } from '@culvert/kubernetes'
import { apiTime, type ContainerRecord, containerStatus } from './container-record.ts'

export interface PodState {
  readonly records: readonly ContainerRecord[]
  readonly addresses: readonly string[]
  readonly hostIp: string
  readonly startTime: Date
  /** Whether the sandbox stands. */
  readonly sandboxReady: boolean
}

type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

const restartPolicyOf = (pod: V1Pod): RestartPolicy => (pod.spec?.restartPolicy as RestartPolicy) ?? 'Always'

/**
 * The status of one pod, call after call. When its own conditions changed it knows from the call before, and not from the
 * API, where that is seen late: of two statuses on their way, a second apart, each would bring back the other for ever.
 */
export function createPodStatus(): (pod: V1Pod, state: PodState, now: Date) => V1PodStatus {
  let last: V1PodStatus | undefined
  return (pod, state, now) => {
    const own = last?.conditions?.filter(isOwn) ?? []
    const seen = pod.status?.conditions?.filter(condition => last === undefined || !isOwn(condition)) ?? []
    last = podStatus(pod, state, { conditions: [...own, ...seen] }, now)
    return last
  }
}

const ownConditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'] as const
const isOwn = ({ type }: V1PodCondition): boolean => (ownConditions as readonly string[]).includes(type)

/** The status a kubelet reports, from what it knows. Conditions of others in `previous` stay. */
export function podStatus(pod: V1Pod, state: PodState, previous: V1PodStatus | undefined, now: Date): V1PodStatus {
  const phase = podPhase(pod, state.records)
  const init = state.records.filter(record => record.init)
  const main = state.records.filter(record => !record.init)
  const [hostIPs, podIPs] = [[{ ip: state.hostIp }], state.addresses.map(ip => ({ ip }))]
  return {
    phase,
    conditions: conditions(pod, phase, state, previous?.conditions ?? [], now),
    hostIP: state.hostIp,
    hostIPs,
    ...(state.addresses.length === 0 ? {} : { podIP: state.addresses[0]!, podIPs }),
    startTime: apiTime(state.startTime),
    qosClass: 'BestEffort',
    ...(init.length === 0 ? {} : { initContainerStatuses: init.map(containerStatus) }),
    containerStatuses: main.map(containerStatus)
  }
}

/** Running as soon as one container runs or will be restarted; the end phases only when none will ever run again. */
export function podPhase(pod: V1Pod, records: readonly ContainerRecord[]): string {
  const init = records.filter(record => record.init)
  const main = records.filter(record => !record.init)
  const never = restartPolicyOf(pod) === 'Never'
  if (never && init.some(({ state }) => state.phase === 'terminated' && state.exitCode !== 0)) return 'Failed'
  if (!initialized(records)) return 'Pending'
  const over = main.filter(({ state }) => state.phase === 'terminated')
  if (over.length === main.length && !main.some(record => willRestart(pod, record))) {
    return over.every(({ state }) => state.phase === 'terminated' && state.exitCode === 0) ? 'Succeeded' : 'Failed'
  }
  const begun = main.some(({ state, restartCount, lastTermination }) => {
    return state.phase !== 'waiting' || restartCount > 0 || lastTermination !== undefined
  })
  return begun ? 'Running' : 'Pending'
}

export function willRestart(pod: V1Pod, record: ContainerRecord): boolean {
  if (record.state.phase !== 'terminated') return true
  if (record.init) return record.state.exitCode !== 0 && restartPolicyOf(pod) !== 'Never'
  const policy = restartPolicyOf(pod)
  if (pod.metadata?.deletionTimestamp) return false
  return policy === 'Always' || (policy === 'OnFailure' && record.state.exitCode !== 0)
}

function initialized(records: readonly ContainerRecord[]): boolean {
  return records.every(({ init, state }) => !init || (state.phase === 'terminated' && state.exitCode === 0))
}

function conditions(
  pod: V1Pod,
  phase: string,
  state: PodState,
  previous: readonly V1PodCondition[],
  now: Date
): V1PodCondition[] {
  const main = state.records.filter(record => !record.init)
  const completed = phase === 'Succeeded'
  const unready = main.filter(({ ready }) => !ready).map(({ spec }) => spec.name)
  const containersReady = unready.length === 0
  const gates = (pod.spec?.readinessGates ?? []).every(
    ({ conditionType }) => previous.find(({ type }) => type === conditionType)?.status === 'True'
  )
  const why = completed
    ? { reason: 'PodCompleted' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
  const gateWhy = containersReady ? { reason: 'ReadinessGatesNotReady' } : why
  const own: [(typeof ownConditions)[number], boolean, { reason?: string; message?: string }][] = [
    ['PodReadyToStartContainers', state.sandboxReady, {}],
    ['Initialized', initialized(state.records), { reason: completed ? 'PodCompleted' : 'ContainersNotInitialized' }],
    ['Ready', containersReady && gates, gateWhy],
    ['ContainersReady', containersReady, why],
    ['PodScheduled', true, {}]
  ]
  const reported = own.map(([type, holds, reason]): V1PodCondition => {
    const status = holds ? 'True' : 'False'
    const before = previous.find(condition => condition.type === type)
    const since = before?.status === status ? before.lastTransitionTime : undefined
    return {
      type,
      status,
      lastTransitionTime: since ?? apiTime(now),
      ...(holds ? {} : reason)
    }
  })
  return [...reported, ...previous.filter(condition => !isOwn(condition))]
}

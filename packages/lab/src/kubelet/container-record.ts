import type { V1Container, V1ContainerStatus } from '@culvert/kubernetes'
import type { ContainerLog } from '../containers/container-log.ts'
import type { ContainerProcess } from '../containers/container-process.ts'

export type ContainerState =
  | { readonly phase: 'waiting'; readonly reason: string; readonly message?: string }
  | { readonly phase: 'running'; readonly startedAt: Date; readonly process: ContainerProcess }
  | {
      readonly phase: 'terminated'
      readonly reason: string
      readonly message?: string
      readonly exitCode: number
      readonly startedAt: Date
      readonly finishedAt: Date
      readonly containerId: string
    }

/** What the kubelet knows of one container of a pod; changed by its runner, read for the pod's status. */
export interface ContainerRecord {
  readonly spec: V1Container
  readonly init: boolean
  state: ContainerState
  lastTermination: Extract<ContainerState, { phase: 'terminated' }> | undefined
  /** Of the current run, or of the last. */
  containerId: string | undefined
  restartCount: number
  /** Past its startup probe. */
  started: boolean
  ready: boolean
  log: ContainerLog | undefined
  previousLog: ContainerLog | undefined
  environment: ReadonlyMap<string, string>
}

export function newRecord(spec: V1Container, init: boolean): ContainerRecord {
  return {
    spec,
    init,
    state: { phase: 'waiting', reason: init ? 'PodInitializing' : 'ContainerCreating' },
    lastTermination: undefined,
    containerId: undefined,
    restartCount: 0,
    started: false,
    ready: false,
    log: undefined,
    previousLog: undefined,
    environment: new Map()
  }
}

const idText = (id: string): string => `culvert://${id}`

export function containerStatus(record: ContainerRecord): V1ContainerStatus {
  const last = record.lastTermination
  return {
    name: record.spec.name,
    image: record.spec.image ?? '',
    imageID: record.containerId === undefined ? '' : (record.spec.image ?? ''),
    ...(record.containerId === undefined ? {} : { containerID: idText(record.containerId) }),
    ready: record.ready,
    started: record.started,
    restartCount: record.restartCount,
    state: stateFields(record.state),
    lastState: last === undefined || last === record.state ? {} : stateFields(last)
  }
}

/** Dates become RFC 3339 without fractions, the precision the API keeps. */
export const apiTime = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, 'Z')

function stateFields(state: ContainerState): NonNullable<V1ContainerStatus['state']> {
  switch (state.phase) {
    case 'waiting':
      return { waiting: { reason: state.reason, ...(state.message === undefined ? {} : { message: state.message }) } }
    case 'running':
      return { running: { startedAt: apiTime(state.startedAt) } }
    case 'terminated':
      return {
        terminated: {
          exitCode: state.exitCode,
          reason: state.reason,
          ...(state.message === undefined ? {} : { message: state.message }),
          startedAt: apiTime(state.startedAt),
          finishedAt: apiTime(state.finishedAt),
          containerID: idText(state.containerId)
        }
      }
  }
}

/** How Events name a container of their pod. */
export const fieldPath = (record: ContainerRecord): string =>
  `spec.${record.init ? 'initContainers' : 'containers'}{${record.spec.name}}`

import type { V1Pod } from '@culvert/kubernetes'
import { describe, expect, it } from 'vitest'
import { type ContainerRecord, newRecord } from './container-record.ts'
import { podPhase, podStatus, willRestart } from './pod-status.ts'

const when = new Date('2026-01-02T03:04:05.678Z')

const ended = (exitCode: number): ContainerRecord['state'] => ({
  phase: 'terminated',
  reason: exitCode === 0 ? 'Completed' : 'Error',
  exitCode,
  startedAt: when,
  finishedAt: when,
  containerId: 'c1'
})
const running = { phase: 'running', startedAt: when, process: {} } as ContainerRecord['state']
const waiting: ContainerRecord['state'] = { phase: 'waiting', reason: 'ContainerCreating' }

const record = (
  state: ContainerRecord['state'],
  o: { init?: boolean; ready?: boolean; restarts?: number } = {}
): ContainerRecord => ({
  ...newRecord({ name: o.init ? 'setup' : 'main', image: 'x' }, o.init ?? false),
  state,
  ready: o.ready ?? false,
  restartCount: o.restarts ?? 0
})

const podWith = (restartPolicy = 'Always'): V1Pod => ({
  metadata: { name: 'p', namespace: 'n' },
  spec: { containers: [{ name: 'main' }], restartPolicy }
})

describe('podPhase', () => {
  it.each([
    { name: 'nothing begun', policy: 'Always', records: [record(waiting)], phase: 'Pending' },
    {
      name: 'init still running',
      policy: 'Always',
      records: [record(running, { init: true }), record(waiting)],
      phase: 'Pending'
    },
    {
      name: 'init failed for good',
      policy: 'Never',
      records: [record(ended(1), { init: true }), record(waiting)],
      phase: 'Failed'
    },
    {
      name: 'init failed, to be tried again',
      policy: 'OnFailure',
      records: [record(ended(1), { init: true }), record(waiting)],
      phase: 'Pending'
    },
    {
      name: 'running',
      policy: 'Always',
      records: [record(ended(0), { init: true }), record(running)],
      phase: 'Running'
    },
    {
      name: 'between restarts',
      policy: 'Always',
      records: [record({ ...waiting, reason: 'CrashLoopBackOff' }, { restarts: 2 })],
      phase: 'Running'
    },
    { name: 'ended, will be restarted', policy: 'Always', records: [record(ended(0))], phase: 'Running' },
    { name: 'all well', policy: 'OnFailure', records: [record(ended(0))], phase: 'Succeeded' },
    { name: 'one badly', policy: 'Never', records: [record(ended(0)), record(ended(3))], phase: 'Failed' },
    { name: 'one still running', policy: 'Never', records: [record(ended(0)), record(running)], phase: 'Running' }
  ])('$name: $phase', ({ policy, records, phase }) => {
    expect(podPhase(podWith(policy), records)).toBe(phase)
  })
})

describe('willRestart', () => {
  it.each([
    ['Always', 0, true],
    ['Always', 1, true],
    ['OnFailure', 0, false],
    ['OnFailure', 1, true],
    ['Never', 1, false]
  ])('%s after exit %i: %s', (policy, code, expected) => {
    expect(willRestart(podWith(policy), record(ended(code)))).toBe(expected)
  })

  it('not in a pod that is being deleted', () => {
    const pod = { ...podWith(), metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }
    expect(willRestart(pod, record(ended(1)))).toBe(false)
  })
})

describe('podStatus', () => {
  const state = (records: ContainerRecord[]) => ({
    records,
    addresses: ['10.244.1.7'],
    hostIp: '172.18.0.2',
    startTime: when,
    sandboxReady: true
  })
  const condition = (status: ReturnType<typeof podStatus>, type: string) =>
    status.conditions?.find(candidate => candidate.type === type)

  it('reports addresses, times without fractions and container states', () => {
    expect(podStatus(podWith(), state([record(running, { ready: true })]), undefined, when)).toMatchObject({
      phase: 'Running',
      podIP: '10.244.1.7',
      podIPs: [{ ip: '10.244.1.7' }],
      hostIP: '172.18.0.2',
      startTime: '2026-01-02T03:04:05Z',
      containerStatuses: [{ name: 'main', ready: true, state: { running: { startedAt: '2026-01-02T03:04:05Z' } } }]
    })
  })

  it('names the containers that are not ready', () => {
    const status = podStatus(podWith(), state([record(running)]), undefined, when)
    expect(condition(status, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [main]'
    })
  })

  it('keeps the time of a condition that did not change, and the conditions of others', () => {
    const before = podStatus(podWith(), state([record(running)]), undefined, when)
    const previous = { ...before, conditions: [...before.conditions!, { type: 'mesh.test/x', status: 'True' }] }
    const later = new Date(when.getTime() + 60_000)
    const status = podStatus(podWith(), state([record(running, { ready: true })]), previous, later)
    expect(condition(status, 'PodScheduled')?.lastTransitionTime).toBe('2026-01-02T03:04:05Z')
    expect(condition(status, 'Ready')).toMatchObject({ status: 'True', lastTransitionTime: '2026-01-02T03:05:05Z' })
    expect(condition(status, 'mesh.test/x')).toEqual({ type: 'mesh.test/x', status: 'True' })
  })

  it('waits for readiness gates', () => {
    const gated: V1Pod = { ...podWith(), spec: { ...podWith().spec!, readinessGates: [{ conditionType: 'g' }] } }
    const records = [record(running, { ready: true })]
    expect(condition(podStatus(gated, state(records), undefined, when), 'Ready')?.reason).toBe('ReadinessGatesNotReady')
    const open = { conditions: [{ type: 'g', status: 'True' }] }
    expect(condition(podStatus(gated, state(records), open, when), 'Ready')?.status).toBe('True')
  })
})

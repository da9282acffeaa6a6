import { createKubernetesClient, kubeConfigFromText, type KubernetesClient, namespaces } from '@culvert/kubernetes'
import { createLog, parseScopeLevels } from '@culvert/telemetry'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../test/eventually.ts'
import { type ApiServer, startApiServer } from '@culvert/lab/api-server'
import { systemClock } from '@culvert/clock'
import { startLeaderElection } from './leader-election.ts'
import { configMapLock, leaseLock } from './leader-locks.ts'
import { electionStep, type LeaderRecord } from './leader-record.ts'

const log = createLog({ style: 'go', json: false, filter: parseScopeLevels('none'), write: () => {} }).scope('leader')

describe('one look at the record', () => {
  const record: LeaderRecord = { holder: 'b', leaseSeconds: 30, acquiredAt: 0, renewedAt: 0, transitions: 4 }
  const step = (r: LeaderRecord | undefined, now: number, unchangedSince = 0) =>
    electionStep(r, { identity: 'a', leaseSeconds: 30, now, unchangedSince })

  it('takes what nobody holds, renews its own, waits for another’s lease to end by its own clock', () => {
    expect(step(undefined, 5)).toMatchObject({ kind: 'take', record: { holder: 'a', transitions: 0 } })
    expect(step({ ...record, holder: '' }, 5)).toMatchObject({ kind: 'take', record: { transitions: 5 } })
    expect(step({ ...record, holder: 'a' }, 5)).toMatchObject({
      kind: 'renew',
      record: { renewedAt: 5, transitions: 4 }
    })
    expect(step(record, 29_999).kind).toBe('wait')
    expect(step(record, 30_000).kind).toBe('take')
    expect(step(record, 60_000, 59_000).kind).toBe('wait')
  })
})

it('leads no longer than its lease while the API server does not answer, and wins again', async () => {
  let now = 0
  let answers = true
  let next = (): void => {}
  let wins = 0
  const turn = () => new Promise<void>(resolve => setImmediate(resolve))
  const hanging = new Promise<never>(() => {})
  const election = startLeaderElection({
    lock: {
      name: 'l',
      read: async () => (answers ? { record: undefined, version: '1' } : hanging),
      write: async () => {}
    },
    identity: 'a',
    onLead: () => wins++,
    clock: {
      now: () => now,
      after(_, call) {
        next = call
        return () => {}
      }
    },
    log
  })
  await turn()
  expect([election.leads, wins]).toEqual([true, 1])
  now = 22_500
  expect(election.leads).toBe(true)
  now = 22_501
  expect(election.leads).toBe(false)
  next()
  await turn()
  expect([election.leads, wins]).toEqual([true, 2])
  answers = false
  next()
  now += 30_000
  expect(election.leads).toBe(false)
})

describe('two replicas on a real API server', () => {
  let api: ApiServer
  let client: KubernetesClient
  beforeAll(async () => {
    api = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
    client = createKubernetesClient(await kubeConfigFromText(api.adminKubeconfig()))
    await client.create(namespaces, { metadata: { name: 'mesh' } })
  })
  afterAll(() => api.close())

  it.each([
    ['a Lease', leaseLock],
    ['a ConfigMap', configMapLock]
  ])('by %s: one leads, and the other once it has stopped', async (_, lock) => {
    const join = (identity: string) => {
      const won = Promise.withResolvers<void>()
      const election = startLeaderElection({
        lock: lock(client, 'mesh', 'leader'),
        identity,
        leaseSeconds: 2,
        onLead: won.resolve,
        clock: systemClock,
        log
      })
      return { election, won: won.promise }
    }
    const first = join('a')
    await first.won
    const second = join('b')
    await eventually(async () => (await lock(client, 'mesh', 'leader').read()).record?.holder).toBe('a')
    expect([first.election.leads, second.election.leads]).toEqual([true, false])
    await first.election.stop()
    await second.won
    expect([first.election.leads, second.election.leads]).toEqual([false, true])
    await second.election.stop()
    expect((await lock(client, 'mesh', 'leader').read()).record).toMatchObject({ holder: '', transitions: 1 })
  })
})

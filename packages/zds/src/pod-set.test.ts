import fs from 'node:fs'
import { netnsFromFd } from '@culvert/netns'
import { expect, it } from 'vitest'
import { silent } from '../test/bench.ts'
import { createManualClock } from '@culvert/clock/testing'
import { createPodSet, type PodProxy } from './pod-set.ts'

it('tries nothing while it has no connection, though a retry fails only then', async () => {
  const clock = createManualClock()
  const attempts: PromiseWithResolvers<PodProxy>[] = []
  const readiness: boolean[] = []
  const pods = createPodSet({
    clock,
    log: silent,
    onReady: ready => readiness.push(ready),
    start: () => {
      attempts.push(Promise.withResolvers())
      return attempts.at(-1)!.promise
    }
  })
  /** Fails the last attempt, once it is there. */
  const fail = async (count: number): Promise<void> => {
    await expect.poll(() => attempts.length).toBe(count)
    attempts.at(-1)!.reject(new Error('EADDRINUSE'))
  }
  const netns = netnsFromFd(fs.openSync('/dev/null', 'r'))
  pods.connected()
  const added = pods.add('a', { name: 'a', namespace: 'n', serviceAccount: 's' }, netns)
  await Promise.all([fail(1), expect(added).rejects.toThrow('EADDRINUSE')])
  await pods.snapshotSent()
  clock.advance(5000)
  await expect.poll(() => attempts.length).toBe(2)
  pods.disconnected()
  await fail(2)
  await pods.keep('a').catch(() => {})
  expect(clock.waits).toEqual([])
  expect([pods.pending.length, readiness]).toEqual([1, []])
  await pods.drain({ deadline: AbortSignal.abort() })
})

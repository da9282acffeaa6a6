import { createManualClock } from '@culvert/clock/testing'
import { describe, expect, it } from 'vitest'
import { workloadUpdate } from '../testing/index.ts'
import { waitForLocalWorkload } from './local-workload-wait.ts'
import { createWorkloadIndex } from './workload-index.ts'

const identity = { name: 'cart-1', namespace: 'shop', serviceAccount: 'default' }
const arrived = workloadUpdate({ uid: 'c//Pod/shop/cart-1' })

describe('waiting for the local workload', () => {
  it('does not wait for one that is there', async () => {
    const index = createWorkloadIndex()
    index.apply({ updates: [arrived], removals: [] })
    expect((await waitForLocalWorkload(index, identity, { clock: createManualClock() }))?.name).toBe('cart-1')
  })

  it('is woken by its arrival, not by that of others', async () => {
    const index = createWorkloadIndex()
    const clock = createManualClock()
    const waiting = waitForLocalWorkload(index, identity, { clock })
    expect(clock.waits).toEqual([5000])
    index.apply({ updates: [workloadUpdate({ uid: 'c//Pod/shop/cart-1', serviceAccount: 'other' })], removals: [] })
    index.apply({ updates: [arrived], removals: [] })
    expect((await waiting)?.serviceAccount).toBe('default')
    expect(clock.waits).toEqual([])
  })

  it('ends with the time, and with the signal', async () => {
    const index = createWorkloadIndex()
    const clock = createManualClock()
    const waiting = waitForLocalWorkload(index, identity, { clock })
    clock.advance(5000)
    expect(await waiting).toBeUndefined()
    const controller = new AbortController()
    const cut = waitForLocalWorkload(index, identity, { clock: createManualClock(), signal: controller.signal })
    controller.abort()
    expect(await cut).toBeUndefined()
  })
})

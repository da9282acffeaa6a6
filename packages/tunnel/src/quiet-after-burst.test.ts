import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { QuietAfterBurst } from './quiet-after-burst.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('calls once, when a burst is over', () => {
  const call = vi.fn()
  const after = new QuietAfterBurst(call)
  const end = (count: number): void => {
    for (let i = 0; i < count; i++) after.count()
  }
  end(999)
  vi.advanceTimersByTime(60_000)
  expect(call).not.toHaveBeenCalled()
  end(1)
  for (let i = 0; i < 20; i++) {
    vi.advanceTimersByTime(1_000)
    end(200)
  }
  expect(call).not.toHaveBeenCalled()
  end(50)
  vi.advanceTimersByTime(4_000)
  expect(call).toHaveBeenCalledOnce()
  vi.advanceTimersByTime(60_000)
  expect(call).toHaveBeenCalledOnce()
})

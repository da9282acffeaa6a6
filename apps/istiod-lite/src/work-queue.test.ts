import { expect, it } from 'vitest'
import { createWorkQueue } from './work-queue.ts'

it('visits a key again when it was added during its visit, never twice at once, a few keys at a time', async () => {
  const log: string[] = []
  let running = 0
  let most = 0
  const queue = createWorkQueue({
    workers: 2,
    attempts: 5,
    async visit(key) {
      most = Math.max(most, ++running)
      log.push(key)
      if (log.length === 1) queue.add('a')
      await new Promise(resolve => setImmediate(resolve))
      running--
    },
    onError: () => {},
    signal: new AbortController().signal
  })
  for (const key of ['a', 'b', 'c', 'c']) queue.add(key)
  await queue.idle()
  expect(log).toEqual(['a', 'b', 'a', 'c'])
  expect(most).toBe(2)
})

it('tries a failing key so often and no more, and anew when it is added again', async () => {
  const errors: string[] = []
  const queue = createWorkQueue({
    workers: 1,
    attempts: 3,
    visit: key => Promise.reject(new Error(key)),
    onError: (key, error) => errors.push(`${key} ${error.message}`),
    signal: new AbortController().signal
  })
  queue.add('a')
  await queue.idle()
  expect(errors).toEqual(['a a', 'a a', 'a a'])
  queue.add('a')
  await queue.idle()
  expect(errors).toHaveLength(6)
})

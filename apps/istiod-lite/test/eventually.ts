import { expect } from 'vitest'

/** Waits for what a control plane does by itself; the limit only matters on a machine that is busy with other things. */
export function eventually<T>(read: () => T): ReturnType<typeof expect.poll<T>> {
  return expect.poll(read, { timeout: 9000, interval: 20 })
}

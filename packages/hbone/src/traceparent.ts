import { randomFillSync } from 'node:crypto'

/** Bytes of one trace id and one span id. */
const need = 24
// Asking for random bytes costs microseconds however few they are, and these are no secret: so many at a time.
const pool = Buffer.alloc(need * 128)
let used = pool.length

/** A new trace context, not sampled: one per user connection. */
export function createTraceparent(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const hex = pool.toString('hex', used, used + need)
  used += need
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`
}

import { randomBytes } from 'node:crypto'

/** A new trace context, not sampled: one per user connection. */
export function createTraceparent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`
}

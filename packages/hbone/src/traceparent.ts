import { randomBytes } from 'node:crypto'

/** A new trace context, not sampled: one per user connection. */
export function createTraceparent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`
}

const WELL_FORMED = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

export interface Traceparent {
  readonly traceId: string
  readonly parentId: string
  readonly flags: number
}

/** A received header: only if it has 55 characters and is well formed. */
export function parseTraceparent(text: string): Traceparent | undefined {
  if (text.length !== 55 || !WELL_FORMED.test(text)) return undefined
  return { traceId: text.slice(3, 35), parentId: text.slice(36, 52), flags: Number.parseInt(text.slice(53), 16) }
}

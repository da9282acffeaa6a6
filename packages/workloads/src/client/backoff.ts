import { status } from '@grpc/grpc-js'

/** How a connection to the control plane ended, as far as what to do next depends on it. */
export type StreamEnd =
  /** Before the server's first headers: no connection, no handshake, or a refusal. */
  | { readonly kind: 'not-connected'; readonly message: string }
  | { readonly kind: 'status'; readonly code: number; readonly message: string }
  | { readonly kind: 'complete' }
  /** On our side: no token, no roots, a bug. */
  | { readonly kind: 'internal'; readonly message: string }

export type TerminationReason = 'ConnectionError' | 'Error' | 'Reconnect' | 'Complete'

export interface Pause {
  /** Milliseconds to wait. */
  readonly wait: number
  /** What the next pause grows from. */
  readonly next: number
  readonly reason: TerminationReason
}

export const initialBackoff = 10
const maxBackoff = 15_000

/**
 * docs/spec/workload-xds.md 1.6, without jitter as there. Ours: an end on our own side and a stream that ended without
 * a single response wait like a failure, where upstream retries at once, and with an unreadable root file for ever.
 */
export function pauseAfter(end: StreamEnd, { backoff, gotResponse }: { backoff: number; gotResponse: boolean }): Pause {
  const grown = Math.min(maxBackoff, backoff * 2)
  switch (end.kind) {
    case 'not-connected':
      return { wait: grown, next: grown, reason: 'ConnectionError' }
    case 'internal':
      return { wait: grown, next: grown, reason: 'Error' }
    case 'complete':
      return gotResponse
        ? { wait: 0, next: initialBackoff, reason: 'Complete' }
        : { wait: grown, next: grown, reason: 'Complete' }
    case 'status':
      return isReset(end)
        ? { wait: initialBackoff, next: initialBackoff, reason: 'Reconnect' }
        : { wait: grown, next: grown, reason: 'Error' }
  }
}

/** Servers end long streams on purpose, so these are no reason to stay away. */
function isReset({ code, message }: { code: number; message: string }): boolean {
  if (code === status.UNKNOWN || code === status.CANCELLED || code === status.DEADLINE_EXCEEDED) return true
  return code === status.UNAVAILABLE && resetTexts.some(text => message.includes(text))
}

/** The first two are servers' words; the others are grpc-js's for a connection that went away under a stream. */
const resetTexts = ['transport is closing', 'received prior goaway', 'Connection dropped', 'ECONNRESET', 'EPIPE']

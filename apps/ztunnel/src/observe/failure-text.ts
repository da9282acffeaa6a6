import type { Failure, FailureCode } from '@culvert/tunnel'
import type { ResponseFlag } from './traffic-labels.ts'

/** How a connection that had labels ended badly: the `error` of the log and the flag of the metrics. */
export interface ConnectionError {
  readonly text: string
  readonly flag: ResponseFlag
}

interface Wording {
  readonly flag: ResponseFlag
  readonly text: (failure: Failure) => string
}

const prefixed = (prefix: string, flag: ResponseFlag = 'CONNECT'): Wording => ({
  flag,
  text: ({ detail }) => `${prefix}: ${detail}`
})
const fixed = (text: string, flag: ResponseFlag): Wording => ({ flag, text: () => text })

/** docs/spec/hbone.md 9. */
const wordings: Record<FailureCode, Wording> = {
  IO: prefixed('io error'),
  TUNNEL_CONNECT_TIMEOUT: prefixed(
    'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008',
    'NETWORK_POLICY'
  ),
  HTTP2_HANDSHAKE: prefixed('http2 handshake failed', 'H2_HANDSHAKE_FAILURE'),
  HTTP2: prefixed('h2 failed', 'H2_HANDSHAKE_FAILURE'),
  STATUS: prefixed('http status'),
  TLS: prefixed('tls error', 'TLS_FAILURE'),
  CONNECTION_FAILED: prefixed('connection failed'),
  SEND: prefixed('send'),
  RECEIVE: prefixed('receive'),
  SHUTDOWN: prefixed('while closing connection'),
  REVOKED: fixed('connection closed: peer certificate revoked by CRL', 'CERT_REVOKED'),
  // Nothing but a changed policy makes the proxy cut a single connection.
  CUT: fixed('connection closed due to policy change', 'DENY'),
  DRAINED: fixed('connection closed due to connection drain', '-')
}

export function connectionError(failure: Failure): ConnectionError {
  const { text, flag } = wordings[failure.code]
  return { text: text(failure), flag }
}

export const policyRejection = (reason: string): ConnectionError => ({
  text: `connection closed due to policy rejection: ${reason}`,
  flag: 'DENY'
})

export const identityError = (cause: unknown): ConnectionError => ({
  text: `identity error: ${cause instanceof Error ? cause.message : String(cause)}`,
  flag: 'IDENTITY_ERROR'
})

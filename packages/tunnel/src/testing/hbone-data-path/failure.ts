import { STATUS_CODES } from 'node:http'
import { HboneError, type JoinFailure } from '@culvert/hbone'
import type { Failure } from '../../data-path.ts'
import { osErrorText } from './os-error.ts'

const DEADLINE = 'deadline has elapsed'

/** Why there is no tunnel stream, as hbone 9 tells it. */
export function tunnelFailure(error: unknown): Failure {
  if (!(error instanceof HboneError)) return { code: 'IO', detail: osErrorText(error) }
  switch (error.code) {
    case 'HBONE_CONNECT_TIMEOUT':
      return { code: 'TUNNEL_CONNECT_TIMEOUT', detail: connectDetail(error.cause) }
    case 'HBONE_CREDENTIAL':
      return { code: 'TLS', detail: error.message }
    case 'HBONE_HANDSHAKE_TIMEOUT':
      return { code: 'IO', detail: DEADLINE }
    case 'HBONE_HTTP2_HANDSHAKE':
      return { code: 'HTTP2_HANDSHAKE', detail: error.message }
    case 'HBONE_HTTP2':
      return { code: 'HTTP2', detail: error.message }
    case 'HBONE_STATUS': {
      const status = error.status ?? 0
      return { code: 'STATUS', detail: `${status} ${STATUS_CODES[status] ?? '<unknown status code>'}`, status }
    }
    case 'HBONE_POOL_CLOSED':
      return { code: 'DRAINED', detail: error.message }
    case 'HBONE_CONNECT':
      return { code: 'IO', detail: connectDetail(error.cause) }
    default:
      return { code: 'IO', detail: error.message }
  }
}

/** What a failed TCP connect said. */
export function connectDetail(error: unknown): string {
  return error instanceof Error && 'code' in error && error.code === 'NETNS_CONNECT_TIMEOUT'
    ? DEADLINE
    : osErrorText(error)
}

export function joinFailure({ direction, stage, detail }: JoinFailure): Failure {
  if (stage === 'shutdown') return { code: 'SHUTDOWN', detail: `${direction}: ${detail}` }
  return { code: direction === 'send' ? 'SEND' : 'RECEIVE', detail }
}

import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

// The C library's words, which access logs of ambient meshes show; Node's own differ in letter case and sometimes in text.
const TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  ECONNABORTED: 'Software caused connection abort',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  EINVAL: 'Invalid argument',
  EMFILE: 'Too many open files',
  ENETDOWN: 'Network is down',
  ENETUNREACH: 'Network is unreachable',
  ENOTCONN: 'Transport endpoint is not connected',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  ETIMEDOUT: 'Connection timed out'
}

/** `Connection refused (os error 111)`; anything that is no system error as its message. */
export function osErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const number = code === undefined ? undefined : (constants.errno as Readonly<Record<string, number>>)[code]
  if (code === undefined || number === undefined) return error.message
  return `${TEXTS[code] ?? getSystemErrorMap().get(-number)?.[1] ?? code} (os error ${number})`
}

/** What this package itself refuses; everything the kernel refuses has the errno name as its code. */
export type NetnsOwnErrorCode =
  | 'NETNS_NOT_A_NETWORK_NAMESPACE'
  | 'NETNS_CLOSED'
  | 'NETNS_ASYNC_CALL'
  | 'NETNS_BAD_ADDRESS'
  | 'NETNS_CONNECT_TIMEOUT'
  | 'NETNS_ABORTED'
  | 'NETNS_PROGRAM_TIMEOUT'
  | 'NETNS_EMPTY_PACKET'
  | 'NETNS_BUSY'

/** `string & {}` keeps the own codes visible to completion while any errno name is allowed. */
export type NetnsErrorCode = NetnsOwnErrorCode | (string & {})

export class NetnsError extends Error {
  override readonly name = 'NetnsError'
  readonly code: NetnsErrorCode

  constructor(code: NetnsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Turns what a system call threw into a NetnsError that says what was tried: `doing` reads like "bind [::]:15008". */
export function systemError(doing: string, cause: unknown): NetnsError {
  if (cause instanceof NetnsError) return cause
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'UNKNOWN'
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new NetnsError(code, `cannot ${doing}: ${reason}`, { cause })
}

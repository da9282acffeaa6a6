export type TunnelErrorCode =
  /** A listener could not be bound; the message names the address. */
  | 'TUNNEL_BIND'
  /** The data path or the pod was closed before. */
  | 'TUNNEL_CLOSED'

export class TunnelError extends Error {
  override readonly name = 'TunnelError'
  readonly code: TunnelErrorCode

  constructor(code: TunnelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

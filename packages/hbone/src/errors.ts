/** What can go wrong between asking for a stream and having one; each code says which step failed. */
export type HboneErrorCode =
  /** The TCP connection to the tunnel's other end failed; the cause is the socket's error. */
  | 'HBONE_CONNECT'
  | 'HBONE_CONNECT_TIMEOUT'
  /** The credential cannot be used: bad PEM, key and certificate that do not belong together. */
  | 'HBONE_CREDENTIAL'
  /** The TLS handshake failed; the message is the reason alone. */
  | 'HBONE_TLS'
  | 'HBONE_HANDSHAKE_TIMEOUT'
  /** The HTTP/2 connection could not be started. */
  | 'HBONE_HTTP2_HANDSHAKE'
  /** The stream was reset, or its tunnel lost, before an answer came. */
  | 'HBONE_HTTP2'
  /** The peer answered with another status than 200; `status` says which. */
  | 'HBONE_STATUS'
  | 'HBONE_POOL_CLOSED'
  | 'HBONE_ABORTED'
  | 'HBONE_BAD_ADDRESS'
  | 'HBONE_PROXY_HEADER'
  | 'HBONE_LISTEN'

export class HboneError extends Error {
  override readonly name = 'HboneError'
  readonly code: HboneErrorCode
  readonly status: number | undefined

  constructor(code: HboneErrorCode, message: string, options: ErrorOptions & { status?: number } = {}) {
    super(message, options)
    this.code = code
    this.status = options.status
  }
}

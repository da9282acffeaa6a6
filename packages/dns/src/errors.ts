export type DnsErrorCode =
  /** Bytes that are no DNS message. */
  | 'DNS_BAD_MESSAGE'
  /** A socket of the server cannot be made; the message names the address. */
  | 'DNS_BIND'
  /** No upstream server answered in time. */
  | 'DNS_UPSTREAM_TIMEOUT'
  /** An upstream server could not be reached or answered nonsense. */
  | 'DNS_UPSTREAM'
  /** Too many questions of this client, or of all, wait for servers. */
  | 'DNS_BUSY'

export class DnsError extends Error {
  override readonly name = 'DnsError'
  readonly code: DnsErrorCode

  constructor(code: DnsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

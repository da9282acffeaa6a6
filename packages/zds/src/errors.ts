export type ZdsErrorCode =
  /** An add found no ztunnel to go to. */
  | 'ZDS_NO_CONNECTION'
  /** ztunnel answered with an error text. */
  | 'ZDS_NACK'
  /** The peer did not take a packet, or did not answer it, in time. */
  | 'ZDS_TIMEOUT'
  /** The connection ended before the answer came. */
  | 'ZDS_CLOSED'
  /** The caller's signal aborted first. */
  | 'ZDS_ABORTED'
  /** A packet that breaks the rules of docs/spec/zds.md 1.2 or 1.4. */
  | 'ZDS_BAD_PACKET'
  /** A well-formed message that has no place here: the peer speaks another version of the protocol. */
  | 'ZDS_PROTOCOL'
  /** The socket could not be used. */
  | 'ZDS_TRANSPORT'
  /** A delete that failed for more than one ztunnel; `cause` is an AggregateError. */
  | 'ZDS_SEVERAL'

export class ZdsError extends Error {
  override readonly name = 'ZdsError'
  readonly code: ZdsErrorCode

  constructor(code: ZdsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Text of anything thrown, for messages and nacks: without stack, so it stays short. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export type WorkloadsErrorCode =
  /** Bytes that are not the protobuf message they should be. */
  | 'WORKLOADS_UNDECODABLE'
  /** A value that does not fit the message it should become. */
  | 'WORKLOADS_UNENCODABLE'
  /** A resource that decodes but cannot be used (docs/spec/workload-xds.md 3.1): goes into a NACK. */
  | 'WORKLOADS_REJECTED'
  /** The local configuration file cannot be used; fails the start. */
  | 'WORKLOADS_LOCAL_CONFIG'
  /** The discovery client cannot be set up: address, roots or token. */
  | 'WORKLOADS_DISCOVERY_SETUP'

export class WorkloadsError extends Error {
  override readonly name = 'WorkloadsError'
  readonly code: WorkloadsErrorCode

  constructor(code: WorkloadsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export type SpiffeErrorCode = 'PEM_NOT_A_CERTIFICATE'

export class SpiffeError extends Error {
  override readonly name = 'SpiffeError'
  readonly code: SpiffeErrorCode

  constructor(code: SpiffeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

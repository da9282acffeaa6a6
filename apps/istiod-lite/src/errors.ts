export type IstiodErrorCode =
  /** A flag, environment variable or the mesh file cannot be used. */
  | 'ISTIOD_SETTING'
  /** A port cannot be bound. */
  | 'ISTIOD_LISTEN'
  /** Signing key or certificates cannot be used. */
  | 'ISTIOD_CA'
  /** A call was refused for want of an accepted credential; the message says which authenticator said what. */
  | 'ISTIOD_UNAUTHENTICATED'

export class IstiodError extends Error {
  override readonly name = 'IstiodError'
  readonly code: IstiodErrorCode

  constructor(code: IstiodErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

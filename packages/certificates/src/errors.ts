export type CertificateErrorCode =
  /** The CA answered with something that is no certificate for the wanted identity. */
  | 'CERTIFICATE_RESPONSE'
  /** The call to the CA failed; the cause is the gRPC error. */
  | 'CERTIFICATE_SIGNING'
  /** A setting of the CA client cannot be used (token file, root file, address). */
  | 'CERTIFICATE_CONFIG'
  /** A SPIRE agent has none for the identity, or no roots, or it has expired. */
  | 'CERTIFICATE_UNAVAILABLE'
  /** The identity was forgotten while somebody waited for it. */
  | 'CERTIFICATE_FORGOTTEN'
  /** CA side: the request cannot be read, or its signature is wrong. */
  | 'CSR_ERROR'
  /** CA side: more lifetime wanted than the maximum. */
  | 'TTL_ERROR'
  /** CA side: the signing certificate has expired, or signing failed. */
  | 'CERT_GEN_ERROR'

export class CertificateError extends Error {
  override readonly name = 'CertificateError'
  readonly code: CertificateErrorCode

  constructor(code: CertificateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** For who waits for the certificate of an identity that has been forgotten meanwhile. */
export const forgotten = (): CertificateError =>
  new CertificateError('CERTIFICATE_FORGOTTEN', 'the identity is no longer needed')

/** What a certificate authority is made of, PEM throughout. */
export interface KeyMaterial {
  readonly certificate: string
  readonly key: string
  /** Sent after the leaf; empty when self-signed. */
  readonly chain: string
  readonly rootBundle: string
  /** Revocation list, when there is one. */
  readonly crl: string
}

import type { X509Certificate } from 'node:crypto'
import { formatSpiffeId, peerIdentities, uriSans } from '@culvert/spiffe'

/** Why a peer is not who it must be; the text is what the access log shows. */
export type PeerProblem = string

/** Every SPIFFE id of a leaf, in order, in canonical text. The first is the peer's identity for policy and logs. */
export function spiffeIds(leaf: X509Certificate): string[] {
  return peerIdentities(leaf).map(formatSpiffeId)
}

/** A server must hold one of the expected identities, compared whole; an empty list never matches. */
export function checkServer(leaf: X509Certificate, expected: readonly string[]): PeerProblem | undefined {
  if (spiffeIds(leaf).some(id => expected.includes(id))) return undefined
  const presented = uriSans(leaf).join(',')
  return (
    'invalid peer certificate: Other(OtherError(identity verification error: peer did not present the expected SAN ' +
    `(${expected.join(',')}), got ${presented}))`
  )
}

/** A client must be of our own trust domain; namespace and account are left to authorization. */
export function checkClient(leaf: X509Certificate, trustDomain: string | undefined): PeerProblem | undefined {
  if (trustDomain === undefined) return undefined
  const identities = peerIdentities(leaf)
  if (identities.some(id => id.trustDomain === trustDomain)) return undefined
  const presented = identities.map(formatSpiffeId).join(',')
  return (
    'invalid peer certificate: Other(OtherError(identity verification error: peer did not present the expected ' +
    `trustdomain (${trustDomain}), got ${presented}))`
  )
}

const REASONS: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: 'invalid peer certificate: UnknownIssuer',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'invalid peer certificate: UnknownIssuer',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'invalid peer certificate: UnknownIssuer',
  UNABLE_TO_GET_ISSUER_CERT: 'invalid peer certificate: UnknownIssuer',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'invalid peer certificate: UnknownIssuer',
  CERT_HAS_EXPIRED: 'invalid peer certificate: Expired',
  CERT_NOT_YET_VALID: 'invalid peer certificate: NotValidYet',
  CERT_SIGNATURE_FAILURE: 'invalid peer certificate: BadSignature',
  INVALID_PURPOSE: 'invalid peer certificate: InvalidPurpose',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'peer sent no certificates',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'peer is incompatible: SupportedVersionsExtensionRequired',
  ERR_SSL_NO_SHARED_CIPHER: 'peer is incompatible: NoCipherSuitesInCommon',
  ECONNRESET: 'tls handshake eof'
}

/** What OpenSSL or Node said about a failed handshake, in the words operators of ambient meshes search for. */
export function handshakeReason(error: { readonly code?: string; readonly message: string }): string {
  const known = error.code === undefined ? undefined : REASONS[error.code]
  return known ?? error.message
}

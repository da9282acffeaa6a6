import type { X509Certificate } from 'node:crypto'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'
import { uriSans } from './subject-alt-name.ts'

/** Identity of our own leaf: its first URI SAN alone (docs/spec/identity-ca.md 1.3). */
export function certificateIdentity(certificate: X509Certificate): SpiffeId | undefined {
  const [first] = uriSans(certificate)
  return first === undefined ? undefined : parseSpiffeId(first)
}

/** Every identity a peer's leaf names; URIs that are no SPIFFE ids are skipped. */
export function peerIdentities(certificate: X509Certificate): SpiffeId[] {
  return uriSans(certificate).flatMap(uri => parseSpiffeId(uri) ?? [])
}

/** The identity recorded for policy and logs: the first that parses. */
export function peerIdentity(certificate: X509Certificate): SpiffeId | undefined {
  return peerIdentities(certificate)[0]
}

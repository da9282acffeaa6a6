import { X509Certificate } from 'node:crypto'
import type { WorkloadCertificate } from '@culvert/certificates'
import { certificateIdentity } from '@culvert/spiffe'
import type { Credential } from '@culvert/tunnel'

const known = new WeakMap<WorkloadCertificate, Credential>()

/** A certificate as the data path takes it; made once for each, as every connection asks. */
export function credentialOf(certificate: WorkloadCertificate): Credential {
  const before = known.get(certificate)
  if (before !== undefined) return before
  const [leaf = ''] = certificate.certificateChain
  const credential = {
    id: certificate.id,
    certificateChain: certificate.certificateChain.join('\n'),
    privateKey: certificate.privateKey,
    roots: certificate.roots.join('\n'),
    trustDomain: certificateIdentity(new X509Certificate(leaf))?.trustDomain
  }
  known.set(certificate, credential)
  return credential
}

/**
 * SPIFFE identities, and the X.509 certificates that prove them.
 *
 *     const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/cart')
 *     const { csr, privateKey } = await createCsr(formatSpiffeId(id))
 */
export { certificateIdentity, peerIdentities, peerIdentity } from './certificate-identity.ts'
export { type CertificateRequest, createCsr } from './certificate-request.ts'
export { SpiffeError, type SpiffeErrorCode } from './errors.ts'
export { parseCertificates, pemBlocks } from './pem.ts'
export { formatSpiffeId, parseSpiffeId, type SpiffeId } from './spiffe-id.ts'
export { uriSans } from './subject-alt-name.ts'

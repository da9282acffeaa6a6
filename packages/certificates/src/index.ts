/**
 * Workload certificates: the node proxy's CA client with its cache and renewal, and the pieces of a CA.
 *
 *     const client = createCaClient({ address: 'https://istiod.istio-system.svc:15012', rootCa, token, … })
 *     const manager = createCertificateManager({ fetch: client.fetch })
 *     const { certificateChain, privateKey, roots } = await manager.certificate('spiffe://cluster.local/ns/shop/sa/cart')
 */
export { type CaClient, type CaClientOptions, createCaClient } from './ca-client.ts'
export {
  type CertificateAuthority,
  type CertificateAuthorityOptions,
  createCertificateAuthority
} from './certificate-authority.ts'
export {
  type CertificateHandlerOptions,
  type CertificateResult,
  createCertificateHandler
} from './certificate-handler.ts'
export {
  type CertificateManager,
  type CertificateManagerOptions,
  type CertificateState,
  createCertificateManager
} from './certificate-manager.ts'
export {
  type CertificateRequestMessage,
  type CertificateResponseMessage,
  certificateServiceDefinition,
  createCertificateMethod
} from './certificate-service.ts'
export { CertificateError, type CertificateErrorCode } from './errors.ts'
export {
  authorizeNode,
  type NodeAuthorization,
  type NodeCaller,
  type PodIndex,
  type PodRecord,
  parseTrustedAccounts
} from './node-authorization.ts'
export { type SelfSignedRoot, selfSignedRoot } from './self-signed-root.ts'
export type { BundlesResponse, Selector, SvidMessage, SvidsResponse } from './spire/delegated-identity.ts'
export { connectSpireAgent, type SpireAgent, type Subscriber } from './spire/spire-agent.ts'
export {
  createSpireCertificates,
  type SpireCertificates,
  type SpireCertificatesOptions,
  type SpirePod
} from './spire/spire-certificates.ts'
export { readCertificateChain, type WorkloadCertificate } from './workload-certificate.ts'

import { pemBlocks } from '@culvert/spiffe'
import { CertificateError } from './errors.ts'
import type { PublicKey } from './x509.ts'

/** All that the issuer uses of a request: its key, and whether its subject has a common name (identity-ca 2.2). */
export interface ReadRequest {
  readonly publicKey: PublicKey
  readonly hasCommonName: boolean
}

/** @throws CertificateError CSR_ERROR for what is no PEM, no request, or not signed with its own key. */
export async function readRequest(csr: string): Promise<ReadRequest> {
  const [block] = pemBlocks(csr)
  if (block === undefined || !block.label.endsWith('CERTIFICATE REQUEST')) {
    throw new CertificateError('CSR_ERROR', 'certificate signing request is not properly encoded')
  }
  try {
    const { Pkcs10CertificateRequest } = await import('./x509.ts')
    const request = new Pkcs10CertificateRequest(block.pem)
    if (!(await request.verify())) throw new Error('its signature does not verify')
    return { publicKey: request.publicKey, hasCommonName: request.subjectName.getField('CN').some(name => name !== '') }
  } catch (cause) {
    throw new CertificateError(
      'CSR_ERROR',
      `failed to parse X.509 certificate signing request: ${(cause as Error).message}`,
      { cause }
    )
  }
}

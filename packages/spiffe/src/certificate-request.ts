import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from './x509.ts'
import { type webcrypto, subtle } from 'node:crypto'
import { privateKeyPem } from './pem.ts'

/** A key of its own for every request; PEM, the key as PKCS#8. */
export interface CertificateRequest {
  readonly csr: string
  readonly privateKey: string
}

/**
 * A request as the node proxy makes it (docs/spec/identity-ca.md 2.2): ECDSA P-256 with SHA-256, empty subject, and
 * one attribute with one extension, the critical subject alternative name holding `identity` as URI.
 */
export async function createCsr(identity: string): Promise<CertificateRequest> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = (await subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: '',
    keys,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'url', value: identity }], true)]
  })
  return { csr: `${request.toString('pem')}\n`, privateKey: await privateKeyPem(keys.privateKey) }
}

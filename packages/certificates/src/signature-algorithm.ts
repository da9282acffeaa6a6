import type { KeyObject, webcrypto } from 'node:crypto'
import { CertificateError } from './errors.ts'

/** How a CA's key signs, as WebCrypto names it. */
export function signatureAlgorithm({
  asymmetricKeyType: type,
  asymmetricKeyDetails: details
}: KeyObject): webcrypto.EcKeyImportParams & webcrypto.RsaHashedImportParams {
  const curve = details?.namedCurve
  if (type === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as never
  const named: Record<string, object> = {
    prime256v1: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
    secp384r1: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
  }
  const algorithm = type === 'ec' && curve !== undefined ? named[curve] : undefined
  if (algorithm === undefined) {
    throw new CertificateError(
      'CERT_GEN_ERROR',
      `signing key of type ${type} ${curve ?? ''} is not supported; use RSA, P-256 or P-384`
    )
  }
  return algorithm as never
}

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomBytes,
  type webcrypto,
  X509Certificate as NodeCertificate
} from 'node:crypto'
import { promisify } from 'node:util'
import { signatureAlgorithm } from './signature-algorithm.ts'

export interface SelfSignedRoot {
  /** PEM. */
  readonly certificate: string
  /** PKCS#1 PEM; of an elliptic curve SEC 1. */
  readonly key: string
}

/**
 * A root as istiod makes it (docs/spec/identity-ca.md 1.4): `O=<organization>`, certificate signing only, RSA, valid
 * from now. With `key`, the same key gets fresh dates: old leaves verify under either root.
 */
export async function selfSignedRoot(options: {
  readonly organization: string
  readonly ttlSeconds: number
  /** PEM; a new RSA 2048 key without it. */
  readonly key?: string
  readonly now?: number
}): Promise<SelfSignedRoot> {
  const { organization, ttlSeconds, now = Date.now() } = options
  const privateKey =
    options.key === undefined
      ? (await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })).privateKey
      : createPrivateKey(options.key)
  const algorithm = signatureAlgorithm(privateKey)
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, X509CertificateGenerator } = await import(
    './x509.ts'
  )
  const publicKey = createPublicKey(privateKey)
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomBytes(16).toString('hex'),
    subject: [{ O: [organization] }],
    issuer: [{ O: [organization] }],
    notBefore: new Date(now),
    notAfter: new Date(now + ttlSeconds * 1000),
    publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']) as webcrypto.CryptoKey,
    signingKey: privateKey.toCryptoKey(algorithm, false, ['sign']) as webcrypto.CryptoKey,
    signingAlgorithm: algorithm,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      new BasicConstraintsExtension(true, undefined, true)
    ]
  })
  return {
    certificate: new NodeCertificate(Buffer.from(certificate.rawData)).toString(),
    key: privateKey
      .export({ type: privateKey.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1', format: 'pem' })
      .toString()
  }
}

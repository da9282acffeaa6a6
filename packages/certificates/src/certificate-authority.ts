import { createPrivateKey, randomBytes, X509Certificate as NodeCertificate } from 'node:crypto'
import { isIP } from 'node:net'
import { parseCertificates, pemBlocks } from '@culvert/spiffe'
import { CertificateError } from './errors.ts'
import { goDuration } from './go-duration.ts'
import type { PublicKey } from './x509.ts'
import { readRequest } from './read-request.ts'
import { signatureAlgorithm } from './signature-algorithm.ts'

export interface CertificateAuthorityOptions {
  /** PEM; the key in PKCS#1, PKCS#8 or SEC 1. */
  readonly signingCertificate: string
  readonly signingKey: string
  /** The file sent after the leaf, one element per certificate; by default none, as of a self-signed CA. */
  readonly chain?: string
  /** Sent as the last element, as stored; by default the signing certificate. */
  readonly rootBundle?: string
  readonly defaultTtlSeconds?: number
  readonly maxTtlSeconds?: number
  readonly now?: () => number
}

export interface CertificateAuthority {
  /**
   * A leaf for `sans` with the request's key: the elements of the response, leaf first, roots last.
   * @throws CertificateError CSR_ERROR, TTL_ERROR, CERT_GEN_ERROR
   */
  sign: (request: {
    readonly csr: string
    readonly sans: readonly string[]
    readonly ttlSeconds: number
  }) => Promise<string[]>
  readonly rootBundle: string
  readonly signingCertificate: NodeCertificate
}

/** docs/spec/identity-ca.md 3.4. */
const day = 24 * 60 * 60
const skewMs = 2 * 60_000

export async function createCertificateAuthority(options: CertificateAuthorityOptions): Promise<CertificateAuthority> {
  const { signingCertificate, chain = '', rootBundle = signingCertificate, now = Date.now } = options
  const { defaultTtlSeconds = day, maxTtlSeconds = 90 * day } = options
  const [signer] = parseCertificates(signingCertificate)
  if (signer === undefined) throw new CertificateError('CERT_GEN_ERROR', 'the signing certificate holds no certificate')
  const key = createPrivateKey(options.signingKey)
  if (!signer.checkPrivateKey(key)) {
    throw new CertificateError('CERT_GEN_ERROR', 'the signing key does not belong to the signing certificate')
  }
  const algorithm = signatureAlgorithm(key)
  const signingKey = key.toCryptoKey(algorithm, false, ['sign'])
  const x509 = await import('./x509.ts')
  const signerName = new x509.X509Certificate(signer.raw).subjectName
  const chainElements = parseCertificates(chain).map((_, index) => trimmed(pemBlocks(chain)[index]!.pem))

  async function issue(
    publicKey: PublicKey,
    sans: readonly string[],
    commonName: boolean,
    ttlSeconds: number
  ): Promise<string> {
    if (sans.length === 0) throw new CertificateError('CERT_GEN_ERROR', 'no name to certify')
    const issuedAt = now()
    if (signer!.validToDate.getTime() <= issuedAt) {
      throw new CertificateError(
        'CERT_GEN_ERROR',
        `signing certificate has expired at ${signer!.validToDate.toISOString()}`
      )
    }
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: randomBytes(16).toString('hex'),
      subject: commonName && sans[0]!.length <= 64 ? [{ CN: [sans[0]!] }] : '',
      issuer: signerName,
      notBefore: new Date(issuedAt - skewMs),
      notAfter: new Date(Math.min(issuedAt + ttlSeconds * 1000, signer!.validToDate.getTime())),
      publicKey,
      signingKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.SubjectAlternativeNameExtension(sans.map(generalName), true)
      ]
    })
    return leaf.toString('pem')
  }

  return {
    rootBundle,
    signingCertificate: signer,
    sign: async ({ csr, sans, ttlSeconds }) => {
      const request = await readRequest(csr)
      const ttl = ttlSeconds > 0 ? ttlSeconds : defaultTtlSeconds
      if (ttlSeconds > maxTtlSeconds) {
        const [wanted, most] = [goDuration(ttlSeconds), goDuration(maxTtlSeconds)]
        throw new CertificateError('TTL_ERROR', `requested TTL ${wanted} is greater than the max allowed TTL ${most}`)
      }
      const leaf = await issue(request.publicKey, sans, request.hasCommonName, ttl)
      return [trimmed(leaf), ...chainElements, ...(rootBundle === '' ? [] : [rootBundle])]
    }
  }
}

/** Loses at most one newline at either end, then ends with exactly one (docs/spec/identity-ca.md 2.3). */
const trimmed = (pem: string): string => `${pem.replace(/^\n/, '').replace(/\n$/, '')}\n`

function generalName(name: string): { type: 'ip' | 'url' | 'dns'; value: string } {
  if (isIP(name) !== 0) return { type: 'ip', value: name.replace(/^::ffff:(?=\d+\.)/i, '') }
  return { type: name.startsWith('spiffe://') ? 'url' : 'dns', value: name }
}

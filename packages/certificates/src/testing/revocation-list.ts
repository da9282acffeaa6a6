import { createPrivateKey } from 'node:crypto'
import { parseCertificates } from '@culvert/spiffe'
import type { SelfSignedRoot } from '../self-signed-root.ts'
import { signatureAlgorithm } from '../signature-algorithm.ts'

const day = 86_400_000

/** Its object identifier, and the DER of a value. */
const crlNumber = '2.5.29.20'
const integerOne = Buffer.of(2, 1, 1)

/** PEM. Serial numbers are hexadecimal. */
export async function createRevocationList({
  issuer,
  serialNumbers
}: {
  readonly issuer: SelfSignedRoot
  readonly serialNumbers: readonly string[]
}): Promise<string> {
  const { AuthorityKeyIdentifierExtension, Extension, X509Certificate, X509CrlGenerator } = await import('../x509.ts')
  const [certificate] = parseCertificates(issuer.certificate)
  const key = createPrivateKey(issuer.key)
  const algorithm = signatureAlgorithm(key)
  const { subject, publicKey } = new X509Certificate(certificate!.raw)
  const list = await X509CrlGenerator.create({
    issuer: subject,
    thisUpdate: new Date(Date.now() - day),
    nextUpdate: new Date(Date.now() + day),
    entries: serialNumbers.map(serialNumber => ({ serialNumber, revocationDate: new Date(Date.now() - day) })),
    // RFC 5280 5.2 wants both, and upstream's ztunnel takes no list without them.
    extensions: [await AuthorityKeyIdentifierExtension.create(publicKey), new Extension(crlNumber, false, integerOne)],
    signingAlgorithm: algorithm,
    signingKey: key.toCryptoKey(algorithm, false, ['sign'])
  })
  // The library writes another label than RFC 7468 5.
  return list.toString('pem').replaceAll(' CRL-----', ' X509 CRL-----')
}

import { X509Certificate } from 'node:crypto'
import { certificateIdentity, formatSpiffeId, parseCertificates, pemBlocks } from '@culvert/spiffe'
import { CertificateError } from './errors.ts'

/** A leaf with what proves and uses it; all PEM. */
export interface WorkloadCertificate {
  /** Differs between any two certificates: the leaf's SHA-256 fingerprint. */
  readonly id: string
  /** PKCS#8. */
  readonly privateKey: string
  /** Leaf first, then intermediates, as presented in handshakes. */
  readonly certificateChain: readonly string[]
  readonly roots: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
}

/**
 * Takes a CA's answer apart (docs/spec/identity-ca.md 4.3): leaf first, roots last, intermediates between.
 *
 * @param expected the identity the leaf must name; undefined in dedicated mode, where it is not checked.
 * @throws CertificateError CERTIFICATE_RESPONSE
 */
export function readCertificateChain(
  chain: readonly string[],
  identity: string,
  privateKey: string,
  expected: string | undefined
): WorkloadCertificate {
  const [first, ...rest] = chain
  if (first === undefined) throw responseError(`chain returned from CA is empty for: ${identity}`)
  const last = rest.pop()
  if (last === undefined) throw responseError(`no root certificate present in the answer for: ${identity}`)
  const leaf = firstCertificate(first, 'leaf', identity)
  const named = certificateIdentity(leaf)
  if (expected !== undefined && (named === undefined || formatSpiffeId(named) !== expected)) {
    throw responseError(`did not find expected SAN: ${expected}`)
  }
  return {
    id: leaf.fingerprint256,
    privateKey,
    certificateChain: [leaf, ...rest.map(text => firstCertificate(text, 'intermediate', identity))].map(pem),
    roots: readRoots(last, identity).map(pem),
    notBefore: leaf.validFromDate,
    notAfter: leaf.validToDate
  }
}

function firstCertificate(text: string, role: string, identity: string): X509Certificate {
  const [block] = pemBlocks(text)
  if (block?.label !== 'CERTIFICATE') {
    throw responseError(
      `${role} in the CA's answer for ${identity} is ${block?.label ?? 'no PEM'}, expected a CERTIFICATE`
    )
  }
  try {
    return new X509Certificate(block.pem)
  } catch (cause) {
    throw responseError(`${role} in the CA's answer for ${identity} is no readable certificate`, { cause })
  }
}

function readRoots(text: string, identity: string): X509Certificate[] {
  try {
    return parseCertificates(text)
  } catch (cause) {
    throw responseError(`roots in the CA's answer for ${identity}: ${(cause as Error).message}`, { cause })
  }
}

const pem = (certificate: X509Certificate): string => certificate.toString()

const responseError = (message: string, options?: ErrorOptions): CertificateError =>
  new CertificateError('CERTIFICATE_RESPONSE', message, options)

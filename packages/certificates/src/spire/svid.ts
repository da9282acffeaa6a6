import { createPrivateKey, X509Certificate } from 'node:crypto'
import { certificateIdentity, formatSpiffeId, parseSpiffeId } from '@culvert/spiffe'
import { CertificateError } from '../errors.ts'
import type { WorkloadCertificate } from '../workload-certificate.ts'
import type { BundlesResponse, SvidMessage } from './delegated-identity.ts'

/** A certificate without the roots, which come on a stream of their own. */
export interface Svid extends Omit<WorkloadCertificate, 'roots'> {
  readonly identity: string
  readonly trustDomain: string
}

/** @throws CertificateError CERTIFICATE_RESPONSE: no identity of Istio's form, or its parts do not fit together. */
export function readSvid({ x509Svid, x509SvidKey }: SvidMessage): Svid {
  const { trustDomain = '', path = '' } = x509Svid?.id ?? {}
  const identity = `spiffe://${trustDomain}${path}`
  const refuse = (why: string, cause?: unknown): CertificateError =>
    new CertificateError('CERTIFICATE_RESPONSE', `SVID ${JSON.stringify(identity)} ${why}`, { cause })
  if (parseSpiffeId(identity) === undefined) throw refuse('is not of the form spiffe://<trust domain>/ns/<ns>/sa/<sa>')
  const [leaf, ...intermediates] = parsed(x509Svid?.certChain ?? [], cause => refuse('has an unreadable chain', cause))
  if (leaf === undefined) throw refuse('has no certificate')
  const named = certificateIdentity(leaf)
  if (named === undefined || formatSpiffeId(named) !== identity)
    throw refuse('comes with a certificate for another one')
  return {
    identity,
    trustDomain,
    id: leaf.fingerprint256,
    privateKey: readKey(x509SvidKey, leaf, refuse),
    certificateChain: [leaf, ...intermediates].map(String),
    notBefore: leaf.validFromDate,
    notAfter: leaf.validToDate
  }
}

function readKey(
  der: Uint8Array,
  leaf: X509Certificate,
  refuse: (why: string, cause?: unknown) => CertificateError
): string {
  let fits: boolean
  let pem: string
  try {
    const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
    fits = leaf.checkPrivateKey(key)
    pem = key.export({ type: 'pkcs8', format: 'pem' }) as string
  } catch (cause) {
    throw refuse('has an unreadable key', cause)
  }
  if (!fits) throw refuse('has the key of another certificate')
  return pem
}

/**
 * Trust domains with their roots, PEM.
 *
 * @throws CertificateError CERTIFICATE_RESPONSE
 */
export function readBundles({ caCertificates }: BundlesResponse): ReadonlyMap<string, readonly string[]> {
  return new Map(
    Object.entries(caCertificates).map(([key, der]) => {
      const trustDomain = key.replace(/^spiffe:\/\//, '')
      const refuse = (cause: unknown): CertificateError =>
        new CertificateError('CERTIFICATE_RESPONSE', `roots of ${JSON.stringify(trustDomain)} are unreadable`, {
          cause
        })
      return [trustDomain, parsed(split(der, refuse), refuse).map(String)]
    })
  )
}

function parsed(ders: readonly Uint8Array[], refuse: (cause: unknown) => CertificateError): X509Certificate[] {
  try {
    return ders.map(der => new X509Certificate(der))
  } catch (cause) {
    throw refuse(cause)
  }
}

/** Certificates one after the other: each is a SEQUENCE (0x30) whose length is written in one to five octets. */
function split(bytes: Uint8Array, refuse: (cause: unknown) => CertificateError): Uint8Array[] {
  const found: Uint8Array[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const [tag, first = 0] = rest
    const octets = first < 0x80 ? 0 : first - 0x80
    const body = rest.subarray(2, 2 + octets).reduce((length, octet) => length * 256 + octet, 0)
    const length = 2 + octets + (octets === 0 ? first : body)
    if (tag !== 0x30 || octets > 4 || length > rest.length) throw refuse(new Error('not a sequence of certificates'))
    found.push(rest.subarray(0, length))
    rest = rest.subarray(length)
  }
  return found
}

import { X509Certificate } from 'node:crypto'
import type { CertificateState } from '@culvert/certificates'

/** One entry of `certificates` in the dump; docs/spec/observability-dns.md 8. */
export interface CertificateView {
  readonly identity: string
  readonly state: string
  readonly certChain: readonly PemView[]
  readonly rootCerts: readonly PemView[]
}

interface PemView {
  /** Base64 of the PEM text. */
  readonly pem: string
  /** Decimal: istioctl shows it in hexadecimal. */
  readonly serialNumber: string
  readonly validFrom: string
  readonly expirationTime: string
}

export function certificateView(entry: CertificateState): CertificateView {
  const { identity } = entry
  switch (entry.state) {
    case 'Available': {
      const { certificateChain, roots } = entry.certificate
      return { identity, state: 'Available', certChain: certificateChain.map(view), rootCerts: roots.map(view) }
    }
    case 'Unavailable':
      return { identity, state: `Unavailable: ${entry.error.message}`, certChain: [], rootCerts: [] }
    case 'Initializing':
      return { identity, state: 'Initializing', certChain: [], rootCerts: [] }
  }
}

function view(pem: string): PemView {
  const certificate = new X509Certificate(pem)
  return {
    pem: Buffer.from(pem).toString('base64'),
    serialNumber: BigInt(`0x${certificate.serialNumber}`).toString(),
    validFrom: seconds(certificate.validFromDate),
    expirationTime: seconds(certificate.validToDate)
  }
}

/** RFC 3339, UTC, without fractions. */
const seconds = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, 'Z')

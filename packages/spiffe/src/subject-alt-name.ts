import type { X509Certificate } from 'node:crypto'
import { SubjectAlternativeNameExtension, X509Certificate as X509 } from './x509.ts'

/**
 * The URI subject alternative names of a certificate, in order, unparsed. Node's own `subjectAltName` text is not used:
 * it joins names with commas and quotes, which a hostile name can imitate. An extension that cannot be decoded names
 * nobody, so whatever asks for a name fails closed.
 */
export function uriSans(certificate: X509Certificate): string[] {
  try {
    const extension = new X509(certificate.raw).getExtension(SubjectAlternativeNameExtension)
    return extension?.names.items.filter(name => name.type === 'url').map(name => name.value) ?? []
  } catch {
    return []
  }
}

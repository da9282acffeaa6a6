import type { X509Certificate } from 'node:crypto'

/**
 * Every subject alternative name, of any type. Node writes them as `URI:spiffe://…, DNS:host`, quoting (as JSON) what
 * could be mistaken for a separator.
 */
export function subjectAltNames(certificate: X509Certificate): string[] {
  const text = certificate.subjectAltName ?? ''
  const names: string[] = []
  const pattern = /(?:^|, )(URI|DNS|IP Address|email):("(?:[^"\\]|\\.)*"|[^,]*)/g
  for (const [, , value = ''] of text.matchAll(pattern)) {
    names.push(value.startsWith('"') ? (JSON.parse(value) as string) : value)
  }
  return names
}

import type { X509Certificate } from 'node:crypto'
import { context, type DerElement, decodeDer, objectIds, tags } from './der.ts'

/**
 * The URI subject alternative names of a certificate, in order, unparsed. Node's own `subjectAltName` text is not used:
 * it joins names with commas and quotes, which a hostile name can imitate. An extension that cannot be decoded, or that
 * is there twice, names nobody, so whatever asks for a name fails closed.
 */
export function uriSans(certificate: X509Certificate): string[] {
  try {
    const values = extensions(certificate).flatMap(subjectAltNameValue)
    const [value] = values
    if (value === undefined || values.length > 1) return []
    const names = decodeDer(only(decodeDer(value), tags.sequence).content)
    return names.filter(({ tag }) => tag === tags.uri).map(({ content }) => content.toString('latin1'))
  } catch {
    return []
  }
}

/** TBSCertificate's `extensions [3]`, RFC 5280 4.1. */
function extensions({ raw }: X509Certificate): DerElement[] {
  const [toBeSigned] = decodeDer(only(decodeDer(raw), tags.sequence).content)
  const tagged = decodeDer(toBeSigned?.content ?? Buffer.alloc(0)).find(({ tag }) => tag === context(3))
  return tagged === undefined ? [] : decodeDer(only(decodeDer(tagged.content), tags.sequence).content)
}

function subjectAltNameValue(extension: DerElement): readonly Buffer[] {
  const parts = decodeDer(extension.content)
  if (parts[0]?.content.equals(objectIds.subjectAltName) !== true) return []
  // The last part; before it `critical` may be there or not.
  return [only(parts.slice(-1), tags.octetString).content]
}

function only(elements: readonly DerElement[], tag: number): DerElement {
  const [element] = elements
  if (element === undefined || elements.length > 1 || element.tag !== tag)
    throw new RangeError(`not one element ${tag}`)
  return element
}

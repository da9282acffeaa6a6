import { X509Certificate } from 'node:crypto'
import { SpiffeError } from './errors.ts'

const block = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n?([\s\S]*?)-----END \1-----/g

/** The blocks of a PEM text in order, each with its label and its own text ending in one newline. */
export function pemBlocks(text: string): { label: string; pem: string }[] {
  return [...text.matchAll(block)].map(match => ({ label: match[1]!, pem: `${match[0]}\n` }))
}

/**
 * Reads every certificate of a PEM text.
 * @throws SpiffeError PEM_NOT_A_CERTIFICATE naming the block that is something else or does not parse.
 */
export function parseCertificates(text: string): X509Certificate[] {
  return pemBlocks(text).map(({ label, pem }, index) => {
    if (label !== 'CERTIFICATE') {
      throw new SpiffeError('PEM_NOT_A_CERTIFICATE', `PEM block ${index + 1} is a ${label}, expected a CERTIFICATE`)
    }
    try {
      return new X509Certificate(pem)
    } catch (cause) {
      throw new SpiffeError('PEM_NOT_A_CERTIFICATE', `PEM block ${index + 1} is no readable certificate`, { cause })
    }
  })
}

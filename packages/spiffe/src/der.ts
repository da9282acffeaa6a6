/**
 * The little DER (X.690) that a request and a certificate's names take. A certificate library does it too, at the price
 * of a sixth of the node proxy's memory.
 */

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  sequence: 0x30,
  set: 0x31,
  /** GeneralName's uniformResourceIdentifier, RFC 5280 4.2.1.6. */
  uri: 0x86
} as const

export const objectIds: Readonly<Record<'subjectAltName' | 'extensionRequest' | 'ecdsaWithSha256', Buffer>> = {
  subjectAltName: Buffer.from('551d11', 'hex'),
  extensionRequest: Buffer.from('2a864886f70d01090e', 'hex'),
  ecdsaWithSha256: Buffer.from('2a8648ce3d040302', 'hex')
}

/** Context-specific and constructed: `[number]`. */
export const context = (number: number): number => 0xa0 | number

export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag, ...encodeLength(content.length)]), content])
}

function encodeLength(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}

export interface DerElement {
  readonly tag: number
  readonly content: Buffer
}

/**
 * The elements that fill `bytes`, one after the other.
 * @throws RangeError for anything that is not whole elements with definite lengths.
 */
export function decodeDer(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at)
    if ((tag & 0x1f) === 0x1f) throw new RangeError('a tag of more than one byte')
    const { length, start } = decodeLength(bytes, at + 1)
    if (length > bytes.length - start) throw new RangeError('an element longer than what holds it')
    elements.push({ tag, content: bytes.subarray(start, start + length) })
    at = start + length
  }
  return elements
}

function decodeLength(bytes: Buffer, at: number): { length: number; start: number } {
  const first = bytes.readUInt8(at)
  if (first < 0x80) return { length: first, start: at + 1 }
  const count = first & 0x7f
  if (count === 0 || count > 4) throw new RangeError('a length that is indefinite or absurd')
  return { length: bytes.readUIntBE(at + 1, count), start: at + 1 + count }
}

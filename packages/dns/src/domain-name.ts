import { DnsError } from './errors.ts'

/**
 * Names come in two forms: wire (length-prefixed labels up to the root's zero, uncompressed) and text (lower case,
 * without trailing dot; bytes that are no plain character as \DDD, so that no two names have the same text).
 */
export interface ReadName {
  readonly wire: Buffer
  /** Where reading goes on in the message. */
  readonly end: number
}

/** RFC 1035 3.1. */
const maxNameBytes = 255

/** RFC 1035 4.1.1: names, and so what points to them, come after it. */
export const headerBytes = 12

/** Follows compression pointers, backwards only, so a message cannot send the reader in circles. */
export function readName(message: Buffer, start: number): ReadName {
  const parts: Buffer[] = []
  let length = 0
  let at = start
  let limit = start
  let end: number | undefined
  for (;;) {
    const size = byteAt(message, at)
    if ((size & 0xc0) === 0xc0) {
      const target = ((size & 0x3f) << 8) | byteAt(message, at + 1)
      end ??= at + 2
      if (target >= limit || target < headerBytes) {
        throw new DnsError('DNS_BAD_MESSAGE', `name at ${start} points to ${target}, where no earlier name is`)
      }
      limit = target
      at = target
      continue
    }
    if (size > 63 || at + 1 + size > message.length) throw new DnsError('DNS_BAD_MESSAGE', `bad label at ${at}`)
    length += size + 1
    if (length > maxNameBytes) throw new DnsError('DNS_BAD_MESSAGE', `name at ${start} is over 255 bytes`)
    parts.push(message.subarray(at, at + 1 + size))
    at += 1 + size
    if (size === 0) return { wire: Buffer.concat(parts), end: end ?? at }
  }
}

function byteAt(message: Buffer, at: number): number {
  const byte = message[at]
  if (byte === undefined) throw new DnsError('DNS_BAD_MESSAGE', `message ends inside a name, at ${at}`)
  return byte
}

/** ASCII letters only, RFC 4343. Length bytes are below 64 and so never letters. */
export function lowerCaseWire(wire: Buffer): Buffer {
  return Buffer.from(wire.map(byte => (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte)))
}

export function nameText(wire: Buffer): string {
  const labels: string[] = []
  for (let at = 0; ; ) {
    const size = wire[at] ?? 0
    if (size === 0) return labels.join('.')
    labels.push(labelText(wire.subarray(at + 1, at + 1 + size)))
    at += 1 + size
  }
}

/** The name made of the first `count` labels. */
export function firstLabels(wire: Buffer, count: number): Buffer {
  let end = 0
  for (let i = 0; i < count && (wire[end] ?? 0) !== 0; i++) end += 1 + (wire[end] ?? 0)
  return Buffer.concat([wire.subarray(0, end), Buffer.of(0)])
}

function labelText(label: Buffer): string {
  return label
    .toString('latin1')
    .toLowerCase()
    .replace(/[^!-~]|[.\\"]/g, character => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`)
}

/** The wire form of a plain host name, as they stand in services and files. */
export function wireName(text: string): Buffer {
  const labels = text.replace(/\.$/, '').split('.')
  if (labels.length > 1 && labels.includes('')) {
    throw new DnsError('DNS_BAD_MESSAGE', `${JSON.stringify(text)} has an empty label`)
  }
  const wire = Buffer.concat([
    ...(text === '' || text === '.'
      ? []
      : labels.flatMap(label => [Buffer.of(Buffer.byteLength(label)), Buffer.from(label)])),
    Buffer.of(0)
  ])
  if (wire.length > maxNameBytes || labels.some(label => Buffer.byteLength(label) > 63)) {
    throw new DnsError('DNS_BAD_MESSAGE', `${JSON.stringify(text)} is too long for a DNS name`)
  }
  return wire
}

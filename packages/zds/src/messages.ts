import fs from 'node:fs'
import protobuf from 'protobufjs'
import { reasonOf, ZdsError } from './errors.ts'

/** A pod as ZDS names it. Everything else about it comes from XDS. */
export interface WorkloadInfo {
  name: string
  namespace: string
  serviceAccount: string
}

export type ZdsRequest =
  | { readonly kind: 'add'; readonly uid: string; readonly info: WorkloadInfo | undefined }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'delete'; readonly uid: string }
  | { readonly kind: 'snapshotSent' }

/** Both sides receive into this many bytes; a longer packet is refused (docs/spec/zds.md 1.1). */
export const maxPacketBytes = 1024

/** On the wire; changes with the protocol, never with a release. */
export const zdsVersion = 1

const schema = protobuf.parse(fs.readFileSync(new URL('../proto/zds.proto', import.meta.url), 'utf8')).root
const type = (name: string): protobuf.Type => schema.lookupType(`istio.workload.zds.${name}`)
const helloType = type('ZdsHello')
const requestType = type('WorkloadRequest')
const responseType = type('WorkloadResponse')

export function encodeHello(version: number): Uint8Array {
  return encode(helloType, { version })
}

/** The version the peer speaks; it is only logged, there is no negotiation. */
export function decodeHello(bytes: Uint8Array): number {
  return decode<{ version: number }>(helloType, bytes).version
}

export function encodeRequest(request: ZdsRequest): Uint8Array {
  switch (request.kind) {
    case 'add':
      return encode(requestType, {
        add: { uid: request.uid, ...(request.info && { workloadInfo: present({ ...request.info }) }) }
      })
    case 'keep':
      return encode(requestType, { keep: { uid: request.uid } })
    case 'delete':
      return encode(requestType, { del: { uid: request.uid } })
    case 'snapshotSent':
      return encode(requestType, { snapshotSent: {} })
  }
}

interface RequestMessage {
  payload?: 'add' | 'keep' | 'del' | 'snapshotSent'
  add: { uid: string; workloadInfo: WorkloadInfo | null }
  keep: { uid: string }
  del: { uid: string }
}

export function decodeRequest(bytes: Uint8Array): ZdsRequest {
  const message = decode<RequestMessage>(requestType, bytes)
  switch (message.payload) {
    case 'add': {
      const { uid, workloadInfo: info } = message.add
      if (info === null) return { kind: 'add', uid, info: undefined }
      const { name, namespace, serviceAccount } = info
      return { kind: 'add', uid, info: { name, namespace, serviceAccount } }
    }
    case 'keep':
      return { kind: 'keep', uid: message.keep.uid }
    case 'del':
      return { kind: 'delete', uid: message.del.uid }
    case 'snapshotSent':
      return { kind: 'snapshotSent' }
    default:
      // Also what a payload of a later protocol version looks like.
      throw new ZdsError('ZDS_BAD_PACKET', 'the request has no payload that this version knows')
  }
}

/** An answer: success without `error`, a nack with. A text too long for the peer's buffer is cut. */
export function encodeResponse(error?: string): Uint8Array {
  // Two tags and two lengths of up to two bytes each, inside the peer's buffer.
  return encode(responseType, { ack: present({ error: truncateUtf8(error ?? '', maxPacketBytes - 6) }) })
}

/** The nack's text; undefined for success. */
export function decodeResponse(bytes: Uint8Array): string | undefined {
  const message = decode<{ payload?: 'ack'; ack: { error: string } }>(responseType, bytes)
  if (message.payload !== 'ack') throw new ZdsError('ZDS_BAD_PACKET', 'the response has no ack')
  return message.ack.error === '' ? undefined : message.ack.error
}

function encode(type: protobuf.Type, message: object): Uint8Array {
  return type.encode(type.create(message)).finish()
}

function decode<T>(type: protobuf.Type, bytes: Uint8Array): T {
  try {
    return type.decode(bytes) as unknown as T
  } catch (error) {
    throw new ZdsError('ZDS_BAD_PACKET', `not a ${type.name}: ${reasonOf(error)}`, { cause: error })
  }
}

/** protobufjs writes every field that is set; proto3 leaves empty ones out. */
function present(fields: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}

function truncateUtf8(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return text
  let end = maxBytes
  // Continuation bytes are 10xxxxxx: never cut inside a character.
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end).toString()
}

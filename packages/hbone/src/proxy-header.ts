import { type Address, addressBytes } from './address.ts'
import { HboneError } from './errors.ts'

// docs/spec/hbone.md 1.9; the signature is the PROXY protocol's, version 2.
const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])
const VERSION_2_PROXY = 0x21
const UNSPECIFIED_STREAM = 0x01
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21
const TLV_PEER_IDENTITY = 0xd0

export interface ProxyHeader {
  readonly source: Address
  readonly destination: Address
  /** SPIFFE id of the peer, for the one TLV. */
  readonly peerIdentity: string | undefined
}

/** What the length field can say. */
const MAX_LENGTH = 0xffff

/**
 * A PROXY protocol header, version 2, for a stream. Addresses of different families are left out.
 * @throws HboneError HBONE_PROXY_HEADER for an identity of about 64 KiB, which has no room in it
 */
export function encodeProxyHeader({ source, destination, peerIdentity }: ProxyHeader): Buffer {
  const from = addressBytes(source.ip)
  const to = addressBytes(destination.ip)
  const sameFamily = from.length === to.length
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(source.port, 0)
  ports.writeUInt16BE(destination.port, 2)
  const addresses = sameFamily ? Buffer.concat([from, to, ports]) : Buffer.alloc(0)
  const identity = peerIdentity === undefined ? Buffer.alloc(0) : tlv(TLV_PEER_IDENTITY, Buffer.from(peerIdentity))
  const length = addresses.length + identity.length
  if (length > MAX_LENGTH) {
    const octets = Buffer.byteLength(peerIdentity ?? '')
    throw new HboneError('HBONE_PROXY_HEADER', `an identity of ${octets} octets does not fit into a PROXY header`)
  }
  const family = from.length === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6
  const head = Buffer.from([VERSION_2_PROXY, sameFamily ? family : UNSPECIFIED_STREAM, 0, 0])
  head.writeUInt16BE(length, 2)
  return Buffer.concat([SIGNATURE, head, addresses, identity])
}

function tlv(type: number, value: Buffer): Buffer {
  const head = Buffer.from([type, value.length >> 8, value.length])
  return Buffer.concat([head, value])
}

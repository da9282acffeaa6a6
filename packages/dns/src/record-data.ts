import { readName } from './domain-name.ts'
import { DnsError } from './errors.ts'

/** Where names stand in the data of a type: after `skip` bytes, `names` of them, then the rest as it is. */
interface Layout {
  readonly skip: number
  readonly names: number
}

const oneName: Layout = { skip: 0, names: 1 }
const twoNames: Layout = { skip: 0, names: 2 }
const preferenceThenName: Layout = { skip: 2, names: 1 }

/** The types whose names senders may compress: RFC 1035, and those RFC 3597 section 4 asks receivers to expand. */
const layouts: ReadonlyMap<number, Layout> = new Map([
  ...[2, 3, 4, 5, 7, 8, 9, 12, 39].map(type => [type, oneName] as const), // NS MD MF CNAME MB MG MR PTR DNAME
  ...[6, 14, 17].map(type => [type, twoNames] as const), // SOA MINFO RP
  ...[15, 18, 21, 36].map(type => [type, preferenceThenName] as const), // MX AFSDB RT KX
  [26, { skip: 2, names: 2 }], // PX
  [33, { skip: 6, names: 1 }] // SRV
])

/** The data of a record with its names uncompressed, so that it can stand in another message. */
export function expandedData(message: Buffer, type: number, start: number, end: number): Buffer {
  const layout = layouts.get(type)
  if (layout === undefined || start === end) return message.subarray(start, end)
  const parts = [message.subarray(start, start + layout.skip)]
  let at = start + layout.skip
  for (let i = 0; i < layout.names; i++) {
    const name = readName(message, at)
    parts.push(name.wire)
    at = name.end
  }
  if (at > end) throw new DnsError('DNS_BAD_MESSAGE', `data of a record of type ${type} ends inside a name`)
  parts.push(message.subarray(at, end))
  return Buffer.concat(parts)
}

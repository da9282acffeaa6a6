import type http2 from 'node:http2'

export type HeaderField = readonly [name: string, value: string]

/** One CONNECT: where to, and the regular header lines in order. */
export interface ConnectRequest {
  /** `IP:port`, IPv6 in brackets; across networks `hostname:port`. */
  readonly authority: string
  readonly headers: readonly HeaderField[]
}

/** No :scheme and no :path: a receiver resets a CONNECT that has them (docs/spec/hbone.md 1.3). */
export function connectRequestHeaders(request: ConnectRequest): http2.OutgoingHttpHeaders {
  return { ':method': 'CONNECT', ':authority': request.authority, ...headerObject(request.headers) }
}

/** Header lines as Node takes them: repeated names become arrays, the order stays. */
export function headerObject(fields: readonly HeaderField[]): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = {}
  for (const [name, value] of fields) {
    const key = name.toLowerCase()
    const before = object[key]
    object[key] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  return object
}

/** Header lines as they came: regular ones only, in order. `raw` alternates names and values. */
export function headerFields(raw: readonly string[]): HeaderField[] {
  const fields: HeaderField[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!
    if (!name.startsWith(':')) fields.push([name, raw[i + 1]!])
  }
  return fields
}

/** RFC 9113 6.5.2: the bytes of names and values and 32 for each line. */
export function headerListSize(raw: readonly string[]): number {
  return raw.reduce((size, text) => size + text.length, raw.length * 16)
}

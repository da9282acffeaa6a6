import type http2 from 'node:http2'
import net from 'node:net'

export type HeaderField = readonly [name: string, value: string]

/** One CONNECT: where to, and the regular header lines in order. */
export interface ConnectRequest {
  /** `IP:port`, IPv6 in brackets; across networks `hostname:port`. */
  readonly authority: string
  readonly headers: readonly HeaderField[]
}

export interface Authority {
  /** Without brackets. */
  readonly host: string
  readonly port: number
  readonly isIp: boolean
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

const PORT = /^\d{1,5}$/

/** `10.0.0.1:80`, `[fd00::5]:80` or `host:80`; undefined when the port is missing or above 65535. */
export function parseAuthority(text: string): Authority | undefined {
  const colon = text.lastIndexOf(':')
  const portText = text.slice(colon + 1)
  if (colon < 1 || !PORT.test(portText) || Number(portText) > 65_535) return undefined
  const port = Number(portText)
  const host = text.slice(0, colon)
  if (host.startsWith('[') && host.endsWith(']')) {
    const ip = host.slice(1, -1)
    return net.isIPv6(ip) ? { host: ip, port, isIp: true } : undefined
  }
  return host.includes(':') ? undefined : { host, port, isIp: net.isIPv4(host) }
}

import { isIP } from 'node:net'
import { invalidVariable } from './errors.ts'

export interface DnsAddress {
  readonly ip: string
  readonly port: number
  /** Bound only where the loopback interface has IPv6. */
  readonly optional: boolean
}

export interface DnsSettings {
  /** Empty: the DNS proxy is off. */
  readonly addresses: readonly DnsAddress[]
  /** CULVERT_DNS_RANDOM_CASE: over UDP, questions to upstream servers in a mixture of upper and lower case. */
  readonly randomCase: boolean
}

/** docs/spec/observability-dns.md 11.1: `localhost:PORT` means both families. */
export function readDnsSettings(
  metadata: ReadonlyMap<string, string>,
  { ipv6, randomCase }: { readonly ipv6: boolean; readonly randomCase: boolean }
): DnsSettings {
  const capture = metadata.get('DNS_CAPTURE')
  if (capture !== undefined && capture.toLowerCase() !== 'true') return { addresses: [], randomCase }
  const text = metadata.get('DNS_PROXY_ADDR') ?? 'localhost:15053'
  const [, host = '', digits = ''] = /^(.*):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  const ip = host.replace(/^\[(.*)\]$/, '$1')
  if (digits === '' || port > 65_535 || (host !== 'localhost' && isIP(ip) === 0)) {
    throw invalidVariable('ISTIO_META_DNS_PROXY_ADDR', text, 'expected localhost:PORT or IP:PORT')
  }
  if (host !== 'localhost') return { addresses: [{ ip, port, optional: false }], randomCase }
  const addresses = [{ ip: '127.0.0.1', port, optional: false }]
  return { addresses: ipv6 ? [...addresses, { ip: '::1', port, optional: true }] : addresses, randomCase }
}

import { isIP } from 'node:net'

/** What resolv.conf(5) says of upstream servers. Times in milliseconds. */
export interface ResolverConfig {
  readonly servers: readonly { readonly ip: string; readonly port: number }[]
  readonly search: readonly string[]
  readonly timeout: number
  /** Retries after the first try. */
  readonly attempts: number
  readonly edns0: boolean
}

const dnsPort = 53

export function parseResolvConf(text: string): ResolverConfig {
  const servers: { ip: string; port: number }[] = []
  let search: readonly string[] = []
  let timeout = 5_000
  let attempts = 2
  let edns0 = false
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    const [value = ''] = values
    if (keyword === 'nameserver' && isIP(value.split('%')[0] ?? '') !== 0) servers.push({ ip: value, port: dnsPort })
    if (keyword === 'search') search = values.map(domain => domain.toLowerCase().replace(/\.$/, ''))
    if (keyword === 'domain' && search.length === 0) search = [value.toLowerCase().replace(/\.$/, '')]
    if (keyword !== 'options') continue
    for (const option of values) {
      const [name, count] = option.split(':')
      if (name === 'edns0') edns0 = true
      // The limits of the C library.
      if (name === 'timeout' && Number(count) > 0) timeout = Math.min(Number(count), 30) * 1000
      if (name === 'attempts' && Number(count) >= 0) attempts = Math.min(Number(count), 5)
    }
  }
  return { servers, search, timeout, attempts, edns0 }
}

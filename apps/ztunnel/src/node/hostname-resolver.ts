import { createExchange, createForwarder, type HostsTable, questionFor, type ResolverConfig } from '@culvert/dns'
import ipaddr from 'ipaddr.js'

/** Milliseconds; a connection waits for it. */
const resolveTime = 10_000

/**
 * Addresses of workloads that have only a hostname, asked from the proxy's own namespace; undefined when the look-up
 * failed, empty when the name has none (docs/spec/observability-dns.md 11.6).
 */
export function createHostnameResolver(options: {
  /** CULVERT_DNS_RANDOM_CASE. */
  readonly randomCase: boolean
  readonly config: ResolverConfig
  readonly hosts: HostsTable
  readonly ipv6: boolean
}): (hostname: string) => Promise<readonly string[] | undefined> {
  const { config, hosts, ipv6, randomCase } = options
  const forwarder = createForwarder({ config, hosts, exchange: createExchange(undefined, { mark: 0, randomCase }) })

  const ask = async (hostname: string, family: 'A' | 'AAAA'): Promise<readonly string[] | undefined> => {
    const question = questionFor(hostname, family)
    const result = await forwarder.forward(question, { signal: AbortSignal.timeout(resolveTime) })
    if (result.kind === 'none') return result.rcode === 0 ? [] : undefined
    return result.answers
      .filter(({ type }) => type === question.type)
      .map(({ data }) => ipaddr.fromByteArray([...data]).toString())
  }

  return async hostname => {
    const families = ipv6 ? (['A', 'AAAA'] as const) : (['A'] as const)
    const results = await Promise.all(families.map(family => ask(hostname, family)))
    const found = results.filter(result => result !== undefined)
    return found.length === 0 ? undefined : found.flat()
  }
}

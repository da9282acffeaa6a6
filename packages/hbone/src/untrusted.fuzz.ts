import assert from 'node:assert/strict'
import type { FuzzTarget } from '@culvert/testing'
import { formatBaggage, parseBaggage } from './baggage.ts'
import { formatForwarded, parseForwardedHost } from './forwarded.ts'

/** The headers of a CONNECT that say something of its sender: lines of one header each. */
const headers: FuzzTarget = {
  name: 'hbone-headers',
  seeds: [
    formatBaggage({
      clusterName: 'Kubernetes',
      namespace: 'shop',
      workloadType: 'cronjob',
      workloadName: 'cart',
      serviceName: 'cart',
      serviceVersion: 'v1',
      region: 'r',
      zone: 'z'
    }),
    formatForwarded({ ip: 'fd00::1', port: 4000 }, 'stock.shop.svc.cluster.local'),
    // Quotes that are not at the end took seconds.
    `host=a${'"'.repeat(60_000)}b`
  ].map(line => Buffer.from(line)),
  words: ['k8s.pod.name=', 'k8s.job.name=', 'service.name=', ',', '=', ';', '"', 'host="', '\n'].map(word =>
    Buffer.from(word)
  ),
  // As much as a server takes of headers.
  maxBytes: 65_536,
  run(input) {
    const lines = input.toString('latin1').split('\n')
    const baggage = parseBaggage(lines)
    for (const value of Object.values(baggage)) assert.match(value ?? '', /^[\t\x20-\x7e]*$/)
    assert.deepEqual(present(parseBaggage([formatBaggage(baggage)])), present(baggage))
    const host = parseForwardedHost(lines)
    if (host === undefined) return Object.keys(present(baggage)).length > 0
    // biome-ignore lint/suspicious/noControlCharactersInRegex: plain ASCII is exactly this range
    assert.match(host, /^[\x00-\x7f]+$/)
    assert.ok(!host.startsWith('"') && !host.endsWith('"'), 'a quote is left')
    return true
  }
}

/** What a value says; a type of workload says nothing without its name. */
function present({ workloadType, ...rest }: ReturnType<typeof parseBaggage>): object {
  const said = rest.workloadName === undefined ? rest : { workloadType, ...rest }
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined))
}

export const targets: readonly FuzzTarget[] = [headers]

import ipaddr from 'ipaddr.js'
import { firstLabels } from './domain-name.ts'
import type { DnsService, Match } from './match.ts'
import { type DnsRecord, type Question, recordType } from './message.ts'

export interface LocalAnswer {
  readonly answers: readonly DnsRecord[]
  /** For the log: docs/spec/observability-dns.md 4.1. */
  readonly result: 'success' | 'no records' | 'service does not support this record type'
  readonly cnames: number
}

/** Seconds, of every local answer. */
const ttl = 30
const internet = 1

/** 11.4, for a question of type A or AAAA. */
export function localAnswer(
  match: Match,
  question: Question,
  client: { readonly network: string },
  settings: { readonly ipv6: boolean; readonly shuffle: <T>(items: readonly T[]) => readonly T[] }
): LocalAnswer {
  const family = question.type === recordType.AAAA ? 'IPv6' : 'IPv4'
  if (!supports(match.service, family, settings.ipv6)) {
    return { answers: [], result: 'service does not support this record type', cnames: 0 }
  }
  const found = addresses(match.service, family, client.network)
  if (found.length === 0) return { answers: [], result: 'no records', cnames: 0 }

  // The resolver asked for a longer name than was meant: say so with a CNAME, but not where a wildcard matched.
  const stripped = match.wildcard ? undefined : match.stripped
  const owner = stripped === undefined ? question.wire : firstLabels(question.wire, stripped.split('.').length)
  const records = settings.shuffle(found).map(address => ({
    wire: owner,
    type: question.type,
    class: internet,
    ttl,
    data: Buffer.from(ipaddr.parse(address).toByteArray())
  }))
  if (stripped === undefined) return { answers: records, result: 'success', cnames: 0 }
  const cname = { wire: question.wire, type: recordType.CNAME, class: internet, ttl, data: owner }
  return { answers: [cname, ...records], result: 'success', cnames: 1 }
}

function supports({ ipFamilies }: DnsService, family: 'IPv4' | 'IPv6', ipv6: boolean): boolean {
  if (family === 'IPv6' && !ipv6) return false
  return ipFamilies === undefined || ipFamilies === 'Dual' || ipFamilies === family
}

function addresses(service: DnsService, family: 'IPv4' | 'IPv6', network: string): readonly string[] {
  if (service.vips.length === 0) return service.endpointAddresses(family)
  return service.vips
    .filter(vip => vip.network === network && vip.address.includes(':') === (family === 'IPv6'))
    .map(({ address }) => address)
}

/** A uniformly random order. */
export function shuffled<T>(items: readonly T[]): readonly T[] {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const moved = result[i] as T
    result[i] = result[j] as T
    result[j] = moved
  }
  return result
}

import type { PrefixMessage, ServiceAccountMatchMessage, StringMatchMessage } from '@culvert/workloads'
import { parsePrefix } from './ip-address.ts'

/** The leading star is tested first and nothing else is special: `*foo*` is the suffix `foo*` (docs/spec/authorization.md 4.4). */
export function stringMatch(value: string): StringMatchMessage {
  if (value === '*') return { presence: {} }
  if (value.startsWith('*')) return { suffix: value.slice(1) }
  if (value.endsWith('*')) return { prefix: value.slice(0, -1) }
  return { exact: value }
}

/** Null and undefined are no values. */
type Values = readonly string[] | null | undefined

export const stringMatches = (values: Values): StringMatchMessage[] => (values ?? []).map(stringMatch)

/** `ns/name`, or a name in the policy's own namespace. */
export function serviceAccountMatches(values: Values, own: string): ServiceAccountMatchMessage[] {
  return (values ?? []).map(value => {
    const slash = value.indexOf('/')
    if (slash === -1) return { namespace: own, serviceAccount: value }
    return { namespace: value.slice(0, slash), serviceAccount: value.slice(slash + 1) }
  })
}

export function portMatches(values: Values): number[] {
  return (values ?? []).flatMap(value => (/^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? [Number(value)] : []))
}

export function prefixMatches(values: Values): PrefixMessage[] {
  return (values ?? []).flatMap(value => parsePrefix(value) ?? [])
}

import { type Cidr, ipBytes, type ServiceAccountMatch, type StringMatch } from '@culvert/workloads'
import type { ConnectionFacts } from './connection-facts.ts'

export type Test<Value> = (value: Value) => boolean

/** Whether any of the patterns hits: docs/spec/authorization.md 2.3. Exact ones, the many, cost one look-up together. */
export function anyString(matches: readonly StringMatch[]): Test<string> {
  const exact = new Set<string>()
  const others: Test<string>[] = []
  for (const match of matches) {
    if (match.kind === 'presence') others.push(value => value !== '')
    else if (match.kind === 'exact') exact.add(match.value)
    else if (match.kind === 'prefix') others.push(value => value.startsWith(match.value))
    else others.push(value => value.endsWith(match.value))
  }
  return value => exact.has(value) || others.some(test => test(value))
}

/** The trust domain does not count; plaintext has no account. */
export function anyServiceAccount(matches: readonly ServiceAccountMatch[]): Test<ConnectionFacts> {
  const accounts = new Set(matches.map(({ namespace, serviceAccount }) => JSON.stringify([namespace, serviceAccount])))
  return ({ namespace, serviceAccount }) =>
    serviceAccount !== undefined && accounts.has(JSON.stringify([namespace, serviceAccount]))
}

/** An address of the other family is in no prefix. */
export function anyPrefix(cidrs: readonly Cidr[]): Test<Uint8Array> {
  const prefixes = cidrs.map(({ ip, prefixLength }) => ({ bytes: ipBytes(ip), prefixLength }))
  return address =>
    prefixes.some(({ bytes, prefixLength }) => bytes.length === address.length && agree(bytes, address, prefixLength))
}

export function anyPort(ports: readonly number[]): Test<number> {
  const wanted = new Set(ports)
  return port => wanted.has(port)
}

function agree(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const rest = bits & 7
  return rest === 0 || (a[whole]! ^ b[whole]!) >> (8 - rest) === 0
}

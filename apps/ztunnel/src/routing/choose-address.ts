import { ipFamily } from '@culvert/workloads'
import type { Upstream } from './choose-endpoint.ts'
import type { Decision } from './question.ts'
import { emptyResolvedAddresses, noResolvedAddresses, noValidDestination, type Refusal } from './refusal.ts'
import type { RoutingContext } from './route.ts'

export type ChosenAddress = { readonly kind: 'address'; readonly ip: string } | Refusal

/** The address to dial a chosen workload on, as near as possible to the one that was asked for: docs/spec/hbone.md 2.5. */
export function* chooseAddress(
  { random }: Pick<RoutingContext, 'random'>,
  { workload, service }: Upstream,
  wantedIp: string
): Decision<ChosenAddress> {
  if (workload.workloadIps.includes(wantedIp)) return { kind: 'address', ip: wantedIp }
  const wanted = ipFamily(wantedIp)
  const allowed = workload.workloadIps.filter(ip => allowsFamily(service?.ipFamilies, ipFamily(ip)))
  const own = allowed.find(ip => ipFamily(ip) === wanted) ?? allowed[0]
  if (own !== undefined) return { kind: 'address', ip: own }
  if (workload.hostname === '') return noValidDestination(workload)

  const resolved = yield { kind: 'resolve', workload }
  if (resolved === undefined) return noResolvedAddresses(workload.uid)
  const sameFamily = resolved.filter(ip => ipFamily(ip) === wanted)
  const choices = sameFamily.length > 0 ? sameFamily : resolved
  const ip = choices[Math.floor(random() * choices.length)]
  return ip === undefined ? emptyResolvedAddresses(workload.uid) : { kind: 'address', ip }
}

function allowsFamily(families: 'Dual' | 'IPv4' | 'IPv6' | undefined, family: 4 | 6): boolean {
  if (families === 'IPv4') return family === 4
  return families !== 'IPv6' || family === 6
}

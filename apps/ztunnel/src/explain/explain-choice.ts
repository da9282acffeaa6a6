import { type Service, serviceKey, type Workload } from '@culvert/workloads'
import { type Choice, judgeEndpoints, preferencesOf, type RoutingContext } from '../routing/index.ts'

/** How one endpoint of a service, or of a waypoint's service, was chosen: docs/spec/hbone.md 2.4. */
export interface ChoiceExplanation {
  readonly service: string
  readonly port: number
  readonly mode: string
  /** What was matched, in order; empty where the mode asks for none. */
  readonly preferences: readonly string[]
  readonly chosen: string | null
  readonly why: string
  /** The best first. */
  readonly endpoints: readonly EndpointExplanation[]
  /** How many more there are. */
  readonly omitted: number
}

export interface EndpointExplanation {
  readonly workload: string
  /** How well it matches; null when it cannot be chosen. */
  readonly rank: number | null
  /** Its share among those of its rank. */
  readonly capacity: number
  readonly why?: string
}

const shownEndpoints = 20

export function explainChoice(
  { index }: Pick<RoutingContext, 'index'>,
  choice: Choice,
  chosen: Workload | undefined
): ChoiceExplanation {
  const { service, port } = choice
  const judged = [...judgeEndpoints({ index }, choice)].sort((a, b) => order(b.rank) - order(a.rank))
  const best = judged[0]?.rank
  const equals = typeof best === 'number' ? judged.filter(({ rank }) => rank === best) : []
  return {
    service: serviceKey(service),
    port,
    mode: service.loadBalancer?.mode ?? 'Standard',
    preferences: preferencesOf(service),
    chosen: chosen?.uid ?? null,
    why: reason(judged.length, equals.length, service),
    endpoints: judged.slice(0, shownEndpoints).map(({ workload, rank }) => ({
      workload: workload.uid,
      rank: typeof rank === 'number' ? rank : null,
      capacity: workload.capacity,
      ...(typeof rank === 'string' && { why: rank })
    })),
    omitted: Math.max(0, judged.length - shownEndpoints)
  }
}

const order = (rank: number | string): number => (typeof rank === 'number' ? rank : -1)

function reason(all: number, best: number, service: Service): string {
  if (all === 0) return `${serviceKey(service)} has no endpoint`
  if (best === 0) return `none of ${all} endpoints can be chosen`
  if (best === 1) return `the only one of the highest rank, among ${all}`
  return `drawn by capacity from ${best} of the highest rank, among ${all}`
}

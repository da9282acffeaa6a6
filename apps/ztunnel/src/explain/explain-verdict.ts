import type { AuthorizationTrace, PolicyTrace } from '@culvert/authorization'
import { type Dump, dumpPolicy } from '@culvert/workloads'

export interface PolicyExplanation {
  readonly allowed: boolean
  readonly why: string
  /** Policies in play, in the order of evaluation; those that hit first come first. */
  readonly considered: readonly ConsideredPolicy[]
  /** How many more there are that do not hit. */
  readonly omitted: number
  /** Named by the workload and not there. */
  readonly unknown: readonly string[]
}

export interface ConsideredPolicy {
  readonly policy: string
  readonly action: string
  readonly scope: string
  readonly dryRun: boolean
  readonly hit: boolean
  /** What decided: for one that hits the matches of the rule that holds, otherwise the clause at which each rule fails. */
  readonly because: readonly unknown[]
}

const mostMisses = 100

export function explainVerdict({
  verdict,
  evaluations,
  unknownPolicies,
  policies
}: AuthorizationTrace): PolicyExplanation {
  const hits = policies.filter(({ hit }) => hit)
  const misses = policies.filter(({ hit }) => !hit)
  const last = evaluations.at(-1)
  return {
    allowed: verdict.allowed,
    why: [last?.message, last?.policy].filter(part => part !== undefined).join(' '),
    considered: [...hits, ...misses.slice(0, mostMisses)].map(considered),
    omitted: Math.max(0, misses.length - mostMisses),
    unknown: unknownPolicies
  }
}

function considered({ policy, hit, rules }: PolicyTrace): ConsideredPolicy {
  const { namespace, name, action, scope, dryRun } = policy
  const written = dumpPolicy(policy).rules as Dump[][][]
  const deciding = hit ? rules.slice(-1) : rules
  return {
    policy: `${namespace}/${name}`,
    action,
    scope,
    dryRun,
    hit,
    because: deciding.map(({ clauses }) => {
      const rule = rules.findIndex(trace => trace.clauses === clauses)
      if (hit)
        return {
          rule,
          matches: clauses.map(({ match }, i) => (match === undefined ? 'anything' : written[rule]?.[i]?.[match]))
        }
      return { rule, failingClause: written[rule]?.[clauses.length - 1] ?? [] }
    })
  }
}

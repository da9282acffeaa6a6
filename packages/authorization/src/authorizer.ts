import type { Authorization, PolicyLookups, Workload } from '@culvert/workloads'
import { type Connection, type ConnectionFacts, connectionFacts } from './connection-facts.ts'
import { type PolicySet, policyName, policySet } from './policy-set.ts'
import { type RuleTrace, traceRules } from './trace-rules.ts'

export type Verdict =
  | { readonly allowed: true }
  /** What follows `connection closed due to policy rejection: ` in the access log. */
  | { readonly allowed: false; readonly reason: string }

export interface Authorizer {
  /**
   * Whether this workload accepts this connection. The workload may be a record of earlier: then its list of named
   * policies is that of earlier too, the policies themselves are today's (docs/spec/authorization.md 3.6).
   */
  readonly evaluate: (workload: JudgedWorkload, connection: Connection) => Verdict
  /** The same, saying nothing to anybody but the caller, with all that was considered. */
  readonly explain: (workload: JudgedWorkload, connection: Connection) => AuthorizationTrace
}

export interface AuthorizationTrace {
  readonly verdict: Verdict
  /** What would be logged, in order; the last one decides. */
  readonly evaluations: readonly Evaluation[]
  readonly unknownPolicies: readonly string[]
  /** Every policy in play, in the order of evaluation, also those that were not asked any more. */
  readonly policies: readonly PolicyTrace[]
}

export interface Evaluation {
  readonly message: EvaluationMessage
  /** `namespace/name` */
  readonly policy?: string
}

export interface PolicyTrace {
  readonly policy: Authorization
  readonly hit: boolean
  /** Up to the first rule that holds. */
  readonly rules: readonly RuleTrace[]
}

export type JudgedWorkload = Pick<Workload, 'namespace' | 'authorizationPolicies'>

export interface AuthorizerOptions {
  /** The messages of docs/spec/authorization.md 3.5, `policy` being `namespace/name`. */
  readonly onEvaluation?: (event: Evaluation) => void
  /** A workload names a policy that is not there: warn `skipping unknown policy <key>`. */
  readonly onUnknownPolicy?: (key: string) => void
}

export type EvaluationMessage =
  | 'deny policy match'
  | 'allow policy match'
  | 'dry-run: deny policy match'
  | 'dry-run: allow policy match'
  | 'dry-run: no allow policies match'
  | 'no allow policies, allow'
  | 'no allow policies matched'

type PolicyKind = keyof PolicySet

export function createAuthorizer(store: PolicyLookups, options: AuthorizerOptions = {}): Authorizer {
  const sets = policySets(store)

  function inPlay(workload: JudgedWorkload, onUnknown: AuthorizerOptions['onUnknownPolicy']): readonly PolicySet[] {
    const { namespace, authorizationPolicies } = workload
    const filed = [sets.ofNamespace(namespace), sets.global()]
    if (authorizationPolicies.length === 0) return filed
    const { named, unknown } = sets.namedBy(workload)
    if (onUnknown) for (const key of unknown) onUnknown(key)
    return [...filed, named]
  }

  return {
    evaluate(workload, connection) {
      return decide(inPlay(workload, options.onUnknownPolicy), connectionFacts(connection), options.onEvaluation)
    },
    explain(workload, connection) {
      const unknownPolicies: string[] = []
      const evaluations: Evaluation[] = []
      const policies = inPlay(workload, key => unknownPolicies.push(key))
      const facts = connectionFacts(connection)
      const verdict = decide(policies, facts, event => evaluations.push(event))
      return { verdict, evaluations, unknownPolicies, policies: tracePolicies(policies, facts) }
    }
  }
}

/** The order of docs/spec/authorization.md 3.3. Dry-run policies only speak, so they are not even asked when nobody listens. */
function decide(
  policies: readonly PolicySet[],
  facts: ConnectionFacts,
  onEvaluation: AuthorizerOptions['onEvaluation']
): Verdict {
  if (onEvaluation) {
    for (const policy of hits(policies, 'dryRunDeny', facts)) {
      onEvaluation({ message: 'dry-run: deny policy match', policy: policyName(policy) })
    }
  }
  const denied = firstHit(policies, 'deny', facts)
  if (denied !== undefined) {
    onEvaluation?.({ message: 'deny policy match', policy: policyName(denied) })
    return { allowed: false, reason: `explicitly denied by: ${policyName(denied)}` }
  }
  const mustBeAllowed = policies.some(({ allow }) => allow.all.length > 0)
  if (onEvaluation) reportDryRunAllow(policies, facts, { mustBeAllowed, onEvaluation })
  if (!mustBeAllowed) {
    onEvaluation?.({ message: 'no allow policies, allow' })
    return { allowed: true }
  }
  const allowed = firstHit(policies, 'allow', facts)
  if (allowed !== undefined) {
    onEvaluation?.({ message: 'allow policy match', policy: policyName(allowed) })
    return { allowed: true }
  }
  onEvaluation?.({ message: 'no allow policies matched' })
  return { allowed: false, reason: 'allow policies exist, but none allowed' }
}

const kinds: readonly PolicyKind[] = ['dryRunDeny', 'deny', 'dryRunAllow', 'allow']

function tracePolicies(sets: readonly PolicySet[], facts: ConnectionFacts): readonly PolicyTrace[] {
  const all = kinds.flatMap(kind => sets.flatMap(set => set[kind].all))
  return all.map(policy => {
    const rules = traceRules(policy, facts)
    return { policy, hit: rules.at(-1)?.holds ?? false, rules }
  })
}

const hits = (sets: readonly PolicySet[], kind: PolicyKind, facts: ConnectionFacts): readonly Authorization[] =>
  sets.flatMap(set => set[kind].hits(facts))

function firstHit(sets: readonly PolicySet[], kind: PolicyKind, facts: ConnectionFacts): Authorization | undefined {
  for (const set of sets) {
    const found = set[kind].firstHit(facts)
    if (found !== undefined) return found
  }
  return undefined
}

function reportDryRunAllow(
  sets: readonly PolicySet[],
  facts: ConnectionFacts,
  {
    mustBeAllowed,
    onEvaluation
  }: { mustBeAllowed: boolean; onEvaluation: NonNullable<AuthorizerOptions['onEvaluation']> }
): void {
  let hit = false
  for (const policy of hits(sets, 'dryRunAllow', facts)) {
    hit = true
    onEvaluation({ message: 'dry-run: allow policy match', policy: policyName(policy) })
  }
  if (!hit && !mustBeAllowed && sets.some(({ dryRunAllow }) => dryRunAllow.all.length > 0)) {
    onEvaluation({ message: 'dry-run: no allow policies match' })
  }
}

/** Already in play by its scope, so naming it adds nothing. */
const isFiled = ({ scope, namespace }: Authorization, workloadNamespace: string): boolean =>
  scope === 'Global' || (scope === 'Namespace' && (namespace === '' || namespace === workloadNamespace))

/** Sorted into sets once per change, where they are asked for. */
function policySets(store: PolicyLookups): {
  readonly ofNamespace: (namespace: string) => PolicySet
  readonly global: () => PolicySet
  readonly namedBy: (workload: JudgedWorkload) => NamedPolicies
} {
  /** By the workload's own list, which many workloads share. */
  const lists = new WeakMap<readonly string[], NamedPolicies>()
  /** By what the store has for a namespace, or for everyone: another map after a change of it. */
  const filed = new WeakMap<ReadonlyMap<string, Authorization>, PolicySet>()

  function setOf(policies: ReadonlyMap<string, Authorization>): PolicySet {
    const known = filed.get(policies)
    if (known !== undefined) return known
    const set = policySet(policies.values())
    filed.set(policies, set)
    return set
  }

  return {
    ofNamespace: namespace => setOf(store.ofNamespace(namespace)),
    global: () => setOf(store.global()),
    namedBy({ namespace, authorizationPolicies }) {
      const generation = store.generation()
      const known = lists.get(authorizationPolicies)
      if (known?.generation === generation && known.namespace === namespace) return known
      const unknown: string[] = []
      const found = new Set<Authorization>()
      for (const key of authorizationPolicies) {
        const policy = store.policy(key)
        if (policy === undefined) unknown.push(key)
        else if (!isFiled(policy, namespace)) found.add(policy)
      }
      const named = { generation, namespace, unknown, named: policySet(found) }
      lists.set(authorizationPolicies, named)
      return named
    }
  }
}

interface NamedPolicies {
  readonly generation: number
  readonly namespace: string
  readonly unknown: readonly string[]
  readonly named: PolicySet
}

import type { Authorization, PolicyLookups, Workload } from '@culvert/workloads'
import { type Connection, type ConnectionFacts, connectionFacts } from './connection-facts.ts'
import { type CompiledPolicy, type RuleTrace, traceRules } from './compile-policy.ts'
import { type PolicySet, policySet } from './policy-set.ts'

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
    for (const { name } of hits(policies, 'dryRunDeny', facts)) {
      onEvaluation({ message: 'dry-run: deny policy match', policy: name })
    }
  }
  const [denied] = hits(policies, 'deny', facts)
  if (denied !== undefined) {
    onEvaluation?.({ message: 'deny policy match', policy: denied.name })
    return { allowed: false, reason: `explicitly denied by: ${denied.name}` }
  }
  const mustBeAllowed = policies.some(({ allow }) => allow.all.length > 0)
  if (onEvaluation) reportDryRunAllow(policies, facts, { mustBeAllowed, onEvaluation })
  if (!mustBeAllowed) {
    onEvaluation?.({ message: 'no allow policies, allow' })
    return { allowed: true }
  }
  const [allowed] = hits(policies, 'allow', facts)
  if (allowed !== undefined) {
    onEvaluation?.({ message: 'allow policy match', policy: allowed.name })
    return { allowed: true }
  }
  onEvaluation?.({ message: 'no allow policies matched' })
  return { allowed: false, reason: 'allow policies exist, but none allowed' }
}

const kinds: readonly PolicyKind[] = ['dryRunDeny', 'deny', 'dryRunAllow', 'allow']

function tracePolicies(sets: readonly PolicySet[], facts: ConnectionFacts): readonly PolicyTrace[] {
  const all = kinds.flatMap(kind => sets.flatMap(set => set[kind].all))
  return all.map(compiled => {
    const rules = traceRules(compiled, facts)
    return { policy: compiled.policy, hit: rules.at(-1)?.holds ?? false, rules }
  })
}

function* hits(sets: readonly PolicySet[], kind: PolicyKind, facts: ConnectionFacts): Generator<CompiledPolicy> {
  for (const set of sets) yield* set[kind].hits(facts)
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
  for (const { name } of hits(sets, 'dryRunAllow', facts)) {
    hit = true
    onEvaluation({ message: 'dry-run: allow policy match', policy: name })
  }
  if (!hit && !mustBeAllowed && sets.some(({ dryRunAllow }) => dryRunAllow.all.length > 0)) {
    onEvaluation({ message: 'dry-run: no allow policies match' })
  }
}

/** Already in play by its scope, so naming it adds nothing. */
const isFiled = ({ scope, namespace }: Authorization, workloadNamespace: string): boolean =>
  scope === 'Global' || (scope === 'Namespace' && (namespace === '' || namespace === workloadNamespace))

/** Sorted into sets once per change of the store, for the namespaces that are asked for. */
function policySets(store: PolicyLookups): {
  readonly ofNamespace: (namespace: string) => PolicySet
  readonly global: () => PolicySet
  readonly namedBy: (workload: JudgedWorkload) => NamedPolicies
} {
  /** By the workload's own list, which many workloads share. */
  const lists = new WeakMap<readonly string[], NamedPolicies>()
  const namespaces = new Map<string, PolicySet>()
  let globals: PolicySet | undefined
  let generation = store.generation()

  function forgetIfChanged(): void {
    if (generation === store.generation()) return
    generation = store.generation()
    namespaces.clear()
    globals = undefined
  }

  return {
    ofNamespace(namespace) {
      forgetIfChanged()
      const known = namespaces.get(namespace)
      if (known !== undefined) return known
      const set = policySet(store.ofNamespace(namespace).values())
      namespaces.set(namespace, set)
      return set
    },
    global() {
      forgetIfChanged()
      globals ??= policySet(store.global().values())
      return globals
    },
    namedBy({ namespace, authorizationPolicies }) {
      forgetIfChanged()
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

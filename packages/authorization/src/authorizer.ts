import type { Authorization, PolicyLookups, Workload } from '@culvert/workloads'
import { type Connection, type ConnectionFacts, connectionFacts } from './connection-facts.ts'
import { type CompiledPolicy, type PolicySet, policySet } from './policy-set.ts'

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
}

export type JudgedWorkload = Pick<Workload, 'namespace' | 'authorizationPolicies'>

export interface AuthorizerOptions {
  /** The messages of docs/spec/authorization.md 3.5, `policy` being `namespace/name`. */
  readonly onEvaluation?: (event: { readonly message: EvaluationMessage; readonly policy?: string }) => void
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
  const { onEvaluation, onUnknownPolicy } = options
  const sets = policySets(store)

  function inPlay({ namespace, authorizationPolicies }: JudgedWorkload): readonly PolicySet[] {
    const found = [sets.ofNamespace(namespace), sets.global()]
    for (const key of authorizationPolicies) {
      const policy = store.policy(key)
      if (policy === undefined) onUnknownPolicy?.(key)
      else if (!isFiled(policy, namespace)) found.push(sets.single(policy))
    }
    return found
  }

  return {
    evaluate(workload, connection) {
      const policies = inPlay(workload)
      const facts = connectionFacts(connection)
      // Dry-run policies only speak, so they are not even asked when nobody listens.
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
      const mustBeAllowed = policies.some(({ allow }) => allow.length > 0)
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
  }
}

function* hits(sets: readonly PolicySet[], kind: PolicyKind, facts: ConnectionFacts): Generator<CompiledPolicy> {
  for (const set of sets) for (const policy of set[kind]) if (policy.matches(facts)) yield policy
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
  if (!hit && !mustBeAllowed && sets.some(({ dryRunAllow }) => dryRunAllow.length > 0)) {
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
  readonly single: (policy: Authorization) => PolicySet
} {
  const singles = new WeakMap<Authorization, PolicySet>()
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
    single(policy) {
      const known = singles.get(policy)
      if (known !== undefined) return known
      const set = policySet([policy])
      singles.set(policy, set)
      return set
    }
  }
}

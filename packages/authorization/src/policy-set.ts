import type { Authorization } from '@culvert/workloads'
import { compilePolicy } from './compile-policy.ts'
import type { ConnectionFacts } from './connection-facts.ts'
import type { Test } from './predicates.ts'

/** Policies of one place (a namespace, everywhere, one name), ready for evaluation. */
export interface PolicySet {
  readonly deny: readonly CompiledPolicy[]
  readonly allow: readonly CompiledPolicy[]
  readonly dryRunDeny: readonly CompiledPolicy[]
  readonly dryRunAllow: readonly CompiledPolicy[]
}

export interface CompiledPolicy {
  /** `namespace/name`, for messages. */
  readonly name: string
  readonly matches: Test<ConnectionFacts>
}

/** Policies never change, only which of them there are: each is compiled once. */
const compiledPolicies = new WeakMap<Authorization, CompiledPolicy>()

export function policySet(policies: Iterable<Authorization>): PolicySet {
  const deny: CompiledPolicy[] = []
  const allow: CompiledPolicy[] = []
  const dryRunDeny: CompiledPolicy[] = []
  const dryRunAllow: CompiledPolicy[] = []
  for (const policy of policies) {
    const compiled = compiledOnce(policy)
    const enforced = policy.action === 'Deny' ? deny : allow
    const dryRun = policy.action === 'Deny' ? dryRunDeny : dryRunAllow
    const list = policy.dryRun ? dryRun : enforced
    list.push(compiled)
  }
  return { deny, allow, dryRunDeny, dryRunAllow }
}

function compiledOnce(policy: Authorization): CompiledPolicy {
  const known = compiledPolicies.get(policy)
  if (known !== undefined) return known
  const compiled = { name: `${policy.namespace}/${policy.name}`, matches: compilePolicy(policy) }
  compiledPolicies.set(policy, compiled)
  return compiled
}

import type { Authorization } from '@culvert/workloads'
import { type CompiledPolicy, compilePolicy } from './compile-policy.ts'
import { type PolicyList, policyList } from './policy-list.ts'

/** Policies of one place (a namespace, everywhere, one workload's names), ready for evaluation. */
export interface PolicySet {
  readonly deny: PolicyList
  readonly allow: PolicyList
  readonly dryRunDeny: PolicyList
  readonly dryRunAllow: PolicyList
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
  return {
    deny: policyList(deny),
    allow: policyList(allow),
    dryRunDeny: policyList(dryRunDeny),
    dryRunAllow: policyList(dryRunAllow)
  }
}

function compiledOnce(policy: Authorization): CompiledPolicy {
  const known = compiledPolicies.get(policy)
  if (known !== undefined) return known
  const compiled = compilePolicy(policy)
  compiledPolicies.set(policy, compiled)
  return compiled
}

import type { Authorization } from '@culvert/workloads'
import { type PolicyList, policyList } from './policy-list.ts'

/** Policies of one place (a namespace, everywhere, one workload's names), ready for evaluation. */
export interface PolicySet {
  readonly deny: PolicyList
  readonly allow: PolicyList
  readonly dryRunDeny: PolicyList
  readonly dryRunAllow: PolicyList
}

export function policySet(policies: Iterable<Authorization>): PolicySet {
  const deny: Authorization[] = []
  const allow: Authorization[] = []
  const dryRunDeny: Authorization[] = []
  const dryRunAllow: Authorization[] = []
  for (const policy of policies) {
    const enforced = policy.action === 'Deny' ? deny : allow
    const dryRun = policy.action === 'Deny' ? dryRunDeny : dryRunAllow
    const list = policy.dryRun ? dryRun : enforced
    list.push(policy)
  }
  return {
    deny: policyList(deny),
    allow: policyList(allow),
    dryRunDeny: policyList(dryRunDeny),
    dryRunAllow: policyList(dryRunAllow)
  }
}

export const policyName = ({ namespace, name }: Authorization): string => `${namespace}/${name}`

import type { AuthorizationPolicy } from '@culvert/kubernetes'
import { type AuthorizationMessage, PolicyAction, PolicyScope } from '@culvert/workloads'
import { isTrue } from './kubernetes-service.ts'
import { canMatch, translateRule } from './policy-rules.ts'
import { targetsOf } from './waypoint-conditions.ts'

export interface PolicyCondition {
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

export interface TranslatedPolicy {
  /** Undefined: ztunnel gets nothing. */
  readonly authorization: AuthorizationMessage | undefined
  /** `ZtunnelAccepted`; undefined: none is written. */
  readonly condition: PolicyCondition | undefined
}

export interface PolicyOptions {
  readonly rootNamespace: string
  readonly dryRun: boolean
}

const denied = (message: string): TranslatedPolicy => ({
  authorization: undefined,
  condition: { status: 'False', reason: 'UnsupportedValue', message }
})

/** Whether there is an Authorization at all; naming another would only make ztunnel warn of an unknown policy. */
export function isSentToZtunnel(policy: AuthorizationPolicy, dryRun: boolean): boolean {
  return translatePolicy(policy, { rootNamespace: '', dryRun }).authorization !== undefined
}

function scopeOf(policy: AuthorizationPolicy, rootNamespace: string): number {
  if (policy.spec?.selector) return PolicyScope.WORKLOAD_SELECTOR
  return policy.metadata?.namespace === rootNamespace ? PolicyScope.GLOBAL : PolicyScope.NAMESPACE
}

/** docs/spec/authorization.md section 4: the gates in their order, then the translation. */
export function translatePolicy(policy: AuthorizationPolicy, options: PolicyOptions): TranslatedPolicy {
  const { name = '', namespace = '', annotations = {} } = policy.metadata ?? {}
  const dryRun = isTrue(annotations['istio.io/dry-run'])
  if (dryRun && !options.dryRun) {
    return denied(
      `found policy "${namespace}/${name}" using dry-run annotation, but support for ambient dry-run authorizationPolicies isn't enabled`
    )
  }
  if (targetsOf(policy).length > 0) return { authorization: undefined, condition: undefined }
  const action = policy.spec?.action || 'ALLOW'
  if (action !== 'ALLOW' && action !== 'DENY') return denied(`ztunnel does not support the ${action} action`)

  const deny = action === 'DENY'
  const translated = (policy.spec?.rules ?? []).map(rule => translateRule(rule ?? {}, namespace))
  const kept = translated.filter(({ httpAttributes }) => deny || httpAttributes.length === 0)
  const rules = kept.map(({ rule }) => rule)
  const found = [...new Set(translated.flatMap(({ httpAttributes }) => httpAttributes))].sort()
  return {
    authorization: {
      name,
      namespace,
      scope: scopeOf(policy, options.rootNamespace),
      action: deny ? PolicyAction.DENY : PolicyAction.ALLOW,
      rules,
      ...(dryRun ? { dryRun } : {})
    },
    condition: accepted(found, deny, rules.some(canMatch))
  }
}

const allowTail =
  'Within an ALLOW policy, rules matching HTTP attributes are omitted. This will be more restrictive than requested.'
const denyTail =
  'DENY policy with HTTP attributes is enforced without the HTTP rules. This will be more restrictive than requested.'
const noEffectTail =
  'After omitting unsupported HTTP attributes, this DENY policy has no enforceable rules at ztunnel and will have no effect. Deploy a waypoint proxy and use a targetRef to enforce this policy.'

function accepted(httpAttributes: readonly string[], deny: boolean, effective: boolean): PolicyCondition {
  if (httpAttributes.length === 0) return { status: 'True', reason: 'Accepted', message: 'attached to ztunnel' }
  const tail = deny ? (effective ? denyTail : noEffectTail) : allowTail
  const message = `ztunnel does not support HTTP attributes (found: ${httpAttributes.join(', ')}). In ambient mode you must use a waypoint proxy to enforce HTTP rules. ${tail}`
  return { status: 'True', reason: 'UnsupportedValue', message }
}

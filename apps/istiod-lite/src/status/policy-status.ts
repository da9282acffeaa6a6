import {
  type AuthorizationPolicy,
  authorizationPolicies,
  type Informer,
  type IstioCondition,
  type KubernetesClient,
  KubernetesError
} from '@culvert/kubernetes'
import type { Logger } from '@culvert/telemetry'
import { type PolicyCondition, translatePolicy } from '../resources/authorization-policy.ts'

export const ztunnelAccepted = 'ZtunnelAccepted'
export const ztunnelFieldManager = 'istio-ambient-ztunnel-policy'

/** The status that our field manager should own; undefined: what is there is right. */
export function statusPatch(
  policy: AuthorizationPolicy,
  wanted: PolicyCondition | undefined,
  now: Date
): { status: { conditions: IstioCondition[] } } | undefined {
  const existing = policy.status?.conditions?.find(({ type }) => type === ztunnelAccepted)
  if (wanted === undefined) return existing === undefined ? undefined : { status: { conditions: [] } }
  const { status, reason, message } = wanted
  // The status of Istio's kinds is protobuf JSON, where an int64 is text.
  const generation = policy.metadata?.generation
  const same =
    existing?.status === status &&
    existing.reason === reason &&
    existing.message === message &&
    Number(existing.observedGeneration ?? 0) === (generation ?? 0)
  if (same) return undefined
  const transition = existing?.status === status ? existing.lastTransitionTime : undefined
  return {
    status: {
      conditions: [
        {
          type: ztunnelAccepted,
          status,
          reason,
          message,
          ...(generation === undefined ? {} : { observedGeneration: generation }),
          lastTransitionTime: transition ?? now.toISOString().replace(/\.\d+Z$/, 'Z')
        }
      ]
    }
  }
}

const attempts = 5

/** Says on each AuthorizationPolicy what ztunnel makes of it (docs/spec/authorization.md 4.6). */
export function writePolicyStatus(options: {
  readonly client: KubernetesClient
  readonly policies: Informer<AuthorizationPolicy>
  readonly rootNamespace: string
  readonly dryRun: boolean
  readonly isLeader: () => boolean
  readonly log: Logger
  readonly signal: AbortSignal
}): { refresh: () => void } {
  const { client, policies, rootNamespace, dryRun, isLeader, log, signal } = options
  const waiting = new Map<string, number>()
  let running = false

  async function write(policy: AuthorizationPolicy): Promise<void> {
    const { namespace, name = '' } = policy.metadata ?? {}
    const { condition } = translatePolicy(policy, { rootNamespace, dryRun })
    const patch = statusPatch(policy, condition, new Date())
    if (patch === undefined) return
    const object = { metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, ...patch }
    await client.patch(authorizationPolicies, { namespace, name }, object, {
      type: 'apply',
      subresource: 'status',
      fieldManager: ztunnelFieldManager,
      force: true,
      signal
    })
  }

  async function drain(): Promise<void> {
    for (const [key, tries] of waiting) {
      waiting.delete(key)
      const [namespace = '', name = ''] = key.split('/', 2)
      const policy = policies.get(namespace, name)
      if (policy === undefined || !isLeader()) continue
      try {
        await write(policy)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof KubernetesError && error.status === 404) continue
        log.warn(`cannot write the status of AuthorizationPolicy ${key}: ${(error as Error).message}`)
        if (tries + 1 < attempts) waiting.set(key, tries + 1)
      }
    }
    if (waiting.size > 0) return drain()
  }

  function enqueue(policy: AuthorizationPolicy): void {
    waiting.set(`${policy.metadata?.namespace ?? ''}/${policy.metadata?.name ?? ''}`, 0)
    if (running) return
    running = true
    void drain().finally(() => {
      running = false
    })
  }

  policies.on({ added: enqueue, updated: (_, now) => enqueue(now) })
  return {
    refresh() {
      policies.list().forEach(enqueue)
    }
  }
}

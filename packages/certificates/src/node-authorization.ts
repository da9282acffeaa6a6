import { parseSpiffeId } from '@culvert/spiffe'

/** What the rule needs to know of pods; phase Failed is not seen, everything else is. */
export interface PodRecord {
  readonly uid: string
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  /** Undefined while unscheduled. */
  readonly node: string | undefined
}

export interface PodIndex {
  readonly pod: (namespace: string, name: string) => PodRecord | undefined
  readonly podsOnNode: (node: string) => Iterable<PodRecord>
}

/** The caller as its token names it. */
export interface NodeCaller {
  readonly namespace: string
  readonly serviceAccount: string
  readonly podName: string
  readonly podUid: string
}

export type NodeAuthorization = { readonly allowed: true } | { readonly allowed: false; readonly reason: string }

/** `<ns>/<sa>` entries, cut at the first `/`; those without one are ignored (`CA_TRUSTED_NODE_ACCOUNTS`). */
export function parseTrustedAccounts(text: string): ReadonlySet<string> {
  return new Set(text.split(',').filter(entry => entry.includes('/')))
}

/** May `caller` have a certificate for `wanted`? The checks of docs/spec/identity-ca.md 3.3, in order. */
export function authorizeNode(
  trusted: ReadonlySet<string>,
  pods: PodIndex | undefined,
  caller: NodeCaller,
  wanted: string
): NodeAuthorization {
  if (trusted.size === 0) return refuse('node authorization is not enabled')
  if (pods === undefined) return refuse('no pods are known for the cluster of the request')
  const account = `${caller.namespace}/${caller.serviceAccount}`
  if (!trusted.has(account)) return refuse(`caller ${account} is not a trusted node account`)
  const identity = parseSpiffeId(wanted)
  if (identity === undefined)
    return refuse(`wanted identity ${JSON.stringify(wanted)} is no spiffe://<td>/ns/<ns>/sa/<sa>`)
  const pod = pods.pod(caller.namespace, caller.podName)
  if (pod === undefined) return refuse(`pod ${caller.namespace}/${caller.podName} is unknown`)
  if (pod.uid !== caller.podUid)
    return refuse(`pod ${caller.namespace}/${caller.podName} has another UID than the token`)
  if (pod.serviceAccount !== caller.serviceAccount) {
    return refuse(`pod ${caller.namespace}/${caller.podName} has another service account than the token`)
  }
  if (pod.node !== undefined) {
    for (const other of pods.podsOnNode(pod.node)) {
      if (other.namespace === identity.namespace && other.serviceAccount === identity.serviceAccount)
        return { allowed: true }
    }
  }
  return refuse(`no pod of ${identity.namespace}/${identity.serviceAccount} on node ${pod.node ?? '(none)'}`)
}

const refuse = (reason: string): NodeAuthorization => ({ allowed: false, reason })

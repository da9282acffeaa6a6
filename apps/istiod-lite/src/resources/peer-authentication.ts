import type { MutualTlsMode, PeerAuthentication } from '@culvert/kubernetes'
import {
  type AuthorizationMessage,
  type ClauseMessage,
  PolicyAction,
  PolicyScope,
  type RuleMessage
} from '@culvert/workloads'

const staticStrictName = 'istio_converted_static_strict'
const convertedName = (name: string): string => `converted_peer_authentication_${name}`

type Mode = MutualTlsMode | undefined

const plain = (mode: Mode): boolean => mode === 'PERMISSIVE' || mode === 'DISABLE'
const unset = (mode: Mode): boolean => mode === undefined || mode === 'UNSET'

export const modeOf = (object: PeerAuthentication | undefined): Mode => object?.spec?.mtls?.mode

/** Only a selector that names labels is one; without them the object is its namespace's. */
export function selectorOf(object: PeerAuthentication): Readonly<Record<string, string>> | undefined {
  const labels = object.spec?.selector?.matchLabels ?? {}
  return Object.keys(labels).length > 0 ? labels : undefined
}

/** Port entries by number; UNSET ones say nothing. */
function ports(object: PeerAuthentication): [number, Mode][] {
  return Object.entries(object.spec?.portLevelMtls ?? {})
    .flatMap(([text, value]): [number, Mode][] => {
      const port = Number(text)
      const valid = Number.isInteger(port) && port >= 0 && port <= 65_535
      return valid && !unset(value?.mode) ? [[port, value.mode]] : []
    })
    .sort(([a], [b]) => a - b)
}

const noIdentity: ClauseMessage = { matches: [{ notPrincipals: [{ presence: {} }] }] }

const policy = (namespace: string, name: string, rules: RuleMessage[]): AuthorizationMessage => ({
  name,
  namespace,
  scope: PolicyScope.WORKLOAD_SELECTOR,
  action: PolicyAction.DENY,
  rules
})

/** Refuses whoever shows no identity; there exactly while any PeerAuthentication exists. */
export function staticStrict(rootNamespace: string): AuthorizationMessage {
  return policy(rootNamespace, staticStrictName, [{ clauses: [noIdentity] }])
}

/** What the levels above a workload-level object say. */
export interface ParentModes {
  /** `absent` differs from an object that is UNSET (docs/spec/authorization.md 5.3, step 2). */
  readonly namespace: Mode | 'absent'
  readonly mesh: Mode
}

/** docs/spec/authorization.md 5.3. One rule with several clauses reads "no identity AND not port a AND not port b". */
export function convertPeerAuthentication(
  object: PeerAuthentication,
  { namespace: ns, mesh }: ParentModes
): AuthorizationMessage | undefined {
  const entries = ports(object)
  if (selectorOf(object) === undefined || entries.length === 0) return undefined
  const own = modeOf(object)
  const nsAbsentOrUnset = ns === 'absent' || unset(ns)
  const parentStrict = ns === 'STRICT' || (nsAbsentOrUnset && mesh === 'STRICT')

  const common: ClauseMessage[] = own === 'STRICT' ? [noIdentity] : []
  const rules: RuleMessage[] = []
  let exempted = false
  for (const [port, mode] of entries) {
    if (mode === 'STRICT') {
      if (own === 'STRICT' || (unset(own) && parentStrict)) continue
      rules.push({ clauses: [{ matches: [{ notPrincipals: [{ presence: {} }], destinationPorts: [port] }] }] })
      continue
    }
    if (plain(own)) continue
    if (unset(own)) {
      if (ns !== 'absent' && ns !== 'STRICT') continue
      if (ns === 'absent' && mesh !== 'STRICT') continue
    }
    common.push({ matches: [{ notDestinationPorts: [port] }] })
    exempted = true
  }
  if (own === 'STRICT' && !exempted) return undefined
  if (rules.length === 0 && common.length === 0) return undefined
  if (exempted && parentStrict) common.push(noIdentity)
  if (common.length > 0) rules.push({ clauses: common })
  const { name = '', namespace = '' } = object.metadata ?? {}
  return policy(namespace, convertedName(name), rules)
}

/** The PeerAuthentications that govern one workload: the oldest of each level. */
export interface PeerAuthenticationLevels {
  readonly mesh: PeerAuthentication | undefined
  readonly namespace: PeerAuthentication | undefined
  readonly workload: PeerAuthentication | undefined
}

/** Equal creation times are told apart by name, so that every replica decides alike. */
export function oldest(objects: Iterable<PeerAuthentication>): PeerAuthentication | undefined {
  let first: PeerAuthentication | undefined
  const age = (object: PeerAuthentication) =>
    `${object.metadata?.creationTimestamp ?? ''} ${object.metadata?.name ?? ''}`
  for (const object of objects) if (first === undefined || age(object) < age(first)) first = object
  return first
}

/** The policy that a workload names for its PeerAuthentications (docs/spec/authorization.md 5.4). */
export function namedPolicy(levels: PeerAuthenticationLevels, rootNamespace: string): string | undefined {
  const own = modeOf(levels.workload)
  const modes = [own, modeOf(levels.namespace), modeOf(levels.mesh)]
  const strict = modes.find(mode => !unset(mode)) === 'STRICT'
  const strictKey = `${rootNamespace}/${staticStrictName}`
  const entries = levels.workload === undefined ? [] : ports(levels.workload)
  if (levels.workload === undefined || entries.length === 0) return strict ? strictKey : undefined

  const { namespace = '', name = '' } = levels.workload.metadata ?? {}
  const converted = `${namespace}/${convertedName(name)}`
  const portModes = entries.map(([, mode]) => mode)
  if (own === 'STRICT') return portModes.some(plain) ? converted : strictKey
  // Upstream looks for PERMISSIVE alone here: a DISABLE port under a strict parent still refuses plaintext (5.5).
  if (unset(own) && strict) return portModes.includes('PERMISSIVE') ? converted : strictKey
  return portModes.includes('STRICT') ? converted : undefined
}

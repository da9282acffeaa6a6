import type { V1Container, V1Pod } from '@culvert/kubernetes'
import { LabError } from '../errors.ts'

export interface PodFacts {
  readonly nodeName: string
  readonly hostIp: string
  readonly podIps: readonly string[]
}

/** The value of a `fieldRef`, for variables and for downward API files. Throws for a path that has none. */
export function podField(fieldPath: string, pod: V1Pod, facts: PodFacts): string {
  const subscript = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath)
  if (subscript) return pod.metadata?.[subscript[1] as 'labels' | 'annotations']?.[subscript[2]!] ?? ''
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata?.name ?? ''
    case 'metadata.namespace':
      return pod.metadata?.namespace ?? ''
    case 'metadata.uid':
      return pod.metadata?.uid ?? ''
    case 'metadata.labels':
      return quotedPairs(pod.metadata?.labels)
    case 'metadata.annotations':
      return quotedPairs(pod.metadata?.annotations)
    case 'spec.nodeName':
      return facts.nodeName
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? 'default'
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIp
    case 'status.podIP':
      return facts.podIps[0] ?? ''
    case 'status.podIPs':
      return facts.podIps.join(',')
    default:
      throw new LabError('LAB_CONTAINER', `unsupported fieldPath: ${fieldPath}`)
  }
}

/** One `key="value"` per line in key order, as downward API files have it. */
function quotedPairs(pairs: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(pairs ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')
}

/** What a node offers when a container sets no limit of its own. */
const nodeCapacity: Readonly<Record<string, string>> = { cpu: '2', memory: '4Gi', 'ephemeral-storage': '10Gi' }

/** The value of a `resourceFieldRef`: the quantity divided by the divisor, rounded up. */
export function containerResource(resource: string, container: V1Container, divisor = '1'): string {
  const [kind, name = ''] = resource.split('.', 2)
  const amounts = kind === 'limits' ? container.resources?.limits : container.resources?.requests
  if (kind !== 'limits' && kind !== 'requests') {
    throw new LabError('LAB_CONTAINER', `unsupported container resource: ${resource}`)
  }
  const amount = amounts?.[name] ?? (kind === 'limits' ? nodeCapacity[name] : '0')
  if (amount === undefined) throw new LabError('LAB_CONTAINER', `unsupported container resource: ${resource}`)
  const unit = divisor === '0' ? 1 : quantity(divisor)
  return String(Math.ceil(quantity(amount) / unit))
}

const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40
}

function quantity(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(text)
  const factor = match === null ? undefined : suffixes[match[2]!]
  if (match === null || factor === undefined) throw new LabError('LAB_CONTAINER', `'${text}' is not a quantity`)
  return Number(match[1]) * factor
}

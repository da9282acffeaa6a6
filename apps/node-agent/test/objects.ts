import type { V1Namespace, V1Pod } from '@culvert/kubernetes'
import { type EnablementSelector, parseEnablementSelectors } from '../src/eligibility.ts'

/** The chart's two selectors. */
export const chartSelectors: readonly EnablementSelector[] = parseEnablementSelectors(`
- podSelector: { matchLabels: { istio.io/dataplane-mode: ambient } }
- podSelector: { matchExpressions: [{ key: istio.io/dataplane-mode, operator: NotIn, values: [none] }] }
  namespaceSelector: { matchLabels: { istio.io/dataplane-mode: ambient } }
`)

export const ambientLabel = { 'istio.io/dataplane-mode': 'ambient' }

export function podOf(
  name: string,
  options: {
    namespace?: string
    uid?: string
    ips?: readonly string[]
    redirection?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
    phase?: string
  } = {}
): V1Pod {
  const { namespace = 'shop', ips = [], redirection, labels = {}, phase = 'Running' } = options
  return {
    metadata: {
      name,
      namespace,
      uid: options.uid ?? `uid-of-${name}`,
      labels,
      annotations: {
        ...options.annotations,
        ...(redirection !== undefined && { 'ambient.istio.io/redirection': redirection })
      }
    },
    spec: { containers: [], nodeName: 'node-1', serviceAccountName: 'cart' },
    status: { phase, ...(ips.length > 0 && { podIP: ips[0]!, podIPs: ips.map(ip => ({ ip })) }) }
  } as V1Pod
}

export function namespaceOf(name: string, labels: Record<string, string> = {}): V1Namespace {
  return { metadata: { name, labels } }
}

import { HealthPolicy, type LoadBalancingMessage, LoadBalancingMode, RoutingScope } from '@culvert/workloads'

const { NETWORK, REGION, ZONE, SUBZONE, NODE } = RoutingScope
const closeScopes = [NETWORK, REGION, ZONE]
const nodeScopes = [NETWORK, REGION, ZONE, SUBZONE, NODE]

/** By lower-case value. */
const distributions: Readonly<Record<string, readonly number[]>> = {
  preferclose: closeScopes,
  prefersamezone: closeScopes,
  prefersamenode: nodeScopes
}

type Annotations = Readonly<Record<string, string>> | undefined

const trafficDistributionAnnotation = 'networking.istio.io/traffic-distribution'

function failoverScopes(
  field: string | undefined,
  ownAnnotations: Annotations,
  namespaceAnnotations: Annotations
): readonly number[] | undefined {
  // The field is an enumeration of the API; annotations are free text. The first that is there decides, known or not.
  if (field)
    return /^(PreferClose|PreferSameZone|PreferSameNode)$/.test(field) ? distributions[field.toLowerCase()] : undefined
  const text = ownAnnotations?.[trafficDistributionAnnotation] ?? namespaceAnnotations?.[trafficDistributionAnnotation]
  return text === undefined ? undefined : distributions[text.toLowerCase()]
}

/** docs/spec/workload-xds.md 4.2, row "load_balancing". */
export function loadBalancingOf(facts: {
  internalTrafficPolicy?: string | undefined
  trafficDistribution?: string | undefined
  annotations?: Annotations
  namespaceAnnotations?: Annotations
  publishNotReadyAddresses?: boolean | undefined
}): LoadBalancingMessage | undefined {
  let result: LoadBalancingMessage | undefined
  if (facts.internalTrafficPolicy === 'Local') {
    result = { routingPreference: [NODE], mode: LoadBalancingMode.STRICT }
  } else {
    const scopes = failoverScopes(facts.trafficDistribution, facts.annotations, facts.namespaceAnnotations)
    if (scopes !== undefined) result = { routingPreference: scopes, mode: LoadBalancingMode.FAILOVER }
  }
  return facts.publishNotReadyAddresses ? { ...result, healthPolicy: HealthPolicy.ALLOW_ALL } : result
}

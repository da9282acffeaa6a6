import { type LabelPairs, type LabelSet, labelSet } from '@culvert/telemetry'

/** One end of a connection as labels show it; docs/spec/observability-dns.md 5.3. Empty and undefined are `unknown`. */
export interface PeerLabels {
  readonly workload?: string | undefined
  readonly canonicalService?: string | undefined
  readonly canonicalRevision?: string | undefined
  readonly namespace?: string | undefined
  /** SPIFFE id. */
  readonly principal?: string | undefined
  readonly app?: string | undefined
  readonly version?: string | undefined
  readonly cluster?: string | undefined
  readonly region?: string | undefined
  readonly zone?: string | undefined
}

export interface ServiceLabels {
  readonly hostname: string
  readonly name: string
  readonly namespace: string
}

/** What all connections between the same two ends share. One value for all of them, so that it is rendered once. */
export interface Traffic {
  readonly reporter: 'source' | 'destination'
  readonly source: PeerLabels
  readonly destination: PeerLabels
  readonly service: ServiceLabels | undefined
  readonly mutualTls: boolean
  /** Pod names, where the workloads are known: for the access log. */
  readonly sourceName: string | undefined
  readonly destinationName: string | undefined
}

/** Every value of `response_flags`. */
export type ResponseFlag =
  | '-'
  | 'DENY'
  | 'CONNECT'
  | 'TLS_FAILURE'
  | 'H2_HANDSHAKE_FAILURE'
  | 'NETWORK_POLICY'
  | 'IDENTITY_ERROR'
  | 'CERT_REVOKED'

export function trafficLabels(traffic: Traffic, flag: ResponseFlag): LabelSet {
  const { source, destination, service } = traffic
  const pairs: LabelPairs = [
    ['reporter', traffic.reporter],
    ...peer('source', source),
    ['destination_service', known(service?.hostname)],
    ['destination_service_namespace', known(service?.namespace)],
    ['destination_service_name', known(service?.name)],
    ...peer('destination', destination),
    ['request_protocol', 'tcp'],
    ['response_flags', flag],
    ['connection_security_policy', traffic.mutualTls ? 'mutual_tls' : 'unknown'],
    ...places(source, destination)
  ]
  return labelSet(pairs)
}

function peer(side: 'source' | 'destination', labels: PeerLabels): LabelPairs {
  return [
    [`${side}_workload`, known(labels.workload)],
    [`${side}_canonical_service`, known(labels.canonicalService)],
    [`${side}_canonical_revision`, known(labels.canonicalRevision)],
    [`${side}_workload_namespace`, known(labels.namespace)],
    [`${side}_principal`, known(labels.principal)],
    [`${side}_app`, known(labels.app)],
    [`${side}_version`, known(labels.version)],
    [`${side}_cluster`, known(labels.cluster)]
  ]
}

/** All four, or none when nothing was known of either workload. */
function places(source: PeerLabels, destination: PeerLabels): LabelPairs {
  if (!isDescribed(source) && !isDescribed(destination)) return []
  return [
    ['source_region', known(source.region)],
    ['source_zone', known(source.zone)],
    ['destination_region', known(destination.region)],
    ['destination_zone', known(destination.zone)]
  ]
}

const isDescribed = ({ principal: _, ...rest }: PeerLabels): boolean => Object.values(rest).some(value => value)

const known = (value: string | undefined): string => value || 'unknown'

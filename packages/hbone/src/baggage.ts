/** What a `baggage` header says about one workload (docs/spec/hbone.md 1.4). Absent and empty are the same. */
export interface Baggage {
  readonly clusterName?: string | undefined
  readonly namespace?: string | undefined
  readonly workloadType?: WorkloadType | undefined
  readonly workloadName?: string | undefined
  readonly serviceName?: string | undefined
  readonly serviceVersion?: string | undefined
  readonly region?: string | undefined
  readonly zone?: string | undefined
}

export type WorkloadType = 'deployment' | 'cronjob' | 'pod' | 'job'

/** Comma-joined members in their fixed order, those without a value left out. */
export function formatBaggage(baggage: Baggage): string {
  const members: readonly (readonly [string, string | undefined])[] = [
    ['k8s.cluster.name', baggage.clusterName],
    ['k8s.namespace.name', baggage.namespace],
    [`k8s.${baggage.workloadType ?? 'deployment'}.name`, baggage.workloadName],
    ['service.name', baggage.serviceName],
    ['service.version', baggage.serviceVersion],
    ['cloud.region', baggage.region],
    ['cloud.availability_zone', baggage.zone]
  ]
  return members
    .filter(([, value]) => value)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}

// HTAB and the printable ASCII characters; anything else in any line voids the whole header.
const VISIBLE_ASCII = /^[\t\x20-\x7e]*$/

/** All `baggage` lines of a message, in order; a later member replaces an earlier one. */
export function parseBaggage(lines: readonly string[]): Baggage {
  const found: { -readonly [K in keyof Baggage]: Baggage[K] } = {}
  if (!lines.every(line => VISIBLE_ASCII.test(line))) return found
  for (const member of lines.flatMap(line => line.split(','))) {
    const [key, text] = member.split('=')
    if (text === undefined) continue
    const value = text === '' ? undefined : text
    switch (key) {
      case 'k8s.cluster.name':
        found.clusterName = value
        break
      case 'k8s.namespace.name':
        found.namespace = value
        break
      case 'k8s.deployment.name':
      case 'k8s.cronjob.name':
      case 'k8s.pod.name':
      case 'k8s.job.name':
        found.workloadType = key.split('.')[1] as WorkloadType
        found.workloadName = value
        break
      case 'service.name':
        found.serviceName = value
        break
      case 'service.version':
        found.serviceVersion = value
        break
      case 'cloud.region':
        found.region = value
        break
      case 'cloud.availability_zone':
        found.zone = value
        break
    }
  }
  return found
}

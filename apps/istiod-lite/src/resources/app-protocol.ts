import { AppProtocol } from '@culvert/workloads'

export interface PortFacts {
  readonly name?: string | undefined
  readonly number: number
  /** Transport protocol, `TCP` when absent. */
  readonly protocol?: string | undefined
  readonly appProtocol?: string | undefined
}

const kubernetesProtocols: Readonly<Record<string, number>> = {
  'kubernetes.io/h2c': AppProtocol.HTTP2,
  'kubernetes.io/ws': AppProtocol.HTTP11,
  'kubernetes.io/wss': AppProtocol.TLS
}

const namedProtocols: ReadonlyMap<string, number> = new Map([
  ['http', AppProtocol.HTTP11],
  ['http2', AppProtocol.HTTP2],
  ['grpc', AppProtocol.GRPC],
  ['https', AppProtocol.TLS],
  ['tls', AppProtocol.TLS],
  ['tcp', AppProtocol.TCP],
  // Protocols Istio knows by name but has no number for.
  ['mongo', AppProtocol.UNKNOWN],
  ['redis', AppProtocol.UNKNOWN],
  ['mysql', AppProtocol.UNKNOWN],
  ['udp', AppProtocol.UNKNOWN]
])

// Servers that speak first on these ports, so nothing may wait to sniff a protocol there.
const tcpPorts = new Set([25, 53, 3306, 27017])

/** docs/spec/workload-xds.md 4.2, row "ports". */
export function appProtocolOf({ name = '', number, protocol = 'TCP', appProtocol }: PortFacts): number {
  if (protocol === 'UDP') return AppProtocol.UNKNOWN
  const declared = appProtocol?.toLowerCase()
  if (declared !== undefined) {
    const known = kubernetesProtocols[declared]
    if (known !== undefined) return known
  }
  const text = declared ?? name.toLowerCase()
  if (text === 'grpc-web' || text.startsWith('grpc-web-')) return AppProtocol.UNKNOWN
  const known = namedProtocols.get(text.split('-', 1)[0] ?? '')
  if (known !== undefined) return known
  return tcpPorts.has(number) ? AppProtocol.TCP : AppProtocol.UNKNOWN
}

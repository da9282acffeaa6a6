import type { V1EndpointSlice, V1Service } from '@culvert/kubernetes'

/** One port of a service's address, and where its connections go. */
export interface ServicePort {
  /** `namespace/name:port`, for whoever reads the rules. */
  readonly name: string
  readonly ip: string
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[]
  /** Connections of one client address always go to the same endpoint. */
  readonly sticky: boolean
}

/** What a node's proxy must translate. Services without an address of their own, headless or external, need nothing. */
export function servicePorts(
  services: readonly V1Service[],
  slicesOf: (namespace: string, name: string) => readonly V1EndpointSlice[],
  nodeName: string
): ServicePort[] {
  return services.flatMap(service => {
    const { namespace = '', name = '' } = service.metadata ?? {}
    const { clusterIP, ports = [], sessionAffinity, internalTrafficPolicy } = service.spec ?? {}
    if (clusterIP === undefined || !isIpv4(clusterIP)) return []
    const local = internalTrafficPolicy === 'Local' ? nodeName : undefined
    const slices = slicesOf(namespace, name).filter(({ addressType }) => addressType === 'IPv4')
    return ports.flatMap((port): ServicePort[] => {
      const protocol = (port.protocol ?? 'TCP').toLowerCase()
      if (protocol !== 'tcp' && protocol !== 'udp') return []
      return [
        {
          name: `${namespace}/${name}:${port.name || port.port}`,
          ip: clusterIP,
          protocol,
          port: port.port,
          endpoints: portEndpoints(slices, port.name ?? '', local),
          sticky: sessionAffinity === 'ClientIP'
        }
      ]
    })
  })
}

/** Ready endpoints; when there are none, those that still serve while they end. */
function portEndpoints(
  slices: readonly V1EndpointSlice[],
  portName: string,
  onlyNode: string | undefined
): { ip: string; port: number }[] {
  const all = slices.flatMap(slice => {
    const port = slice.ports?.find(candidate => (candidate.name ?? '') === portName)?.port
    if (port === undefined) return []
    return (slice.endpoints ?? [])
      .filter(({ nodeName }) => onlyNode === undefined || nodeName === onlyNode)
      .flatMap(({ addresses, conditions }) => addresses.slice(0, 1).map(ip => ({ ip, port, conditions })))
  })
  const ready = all.filter(({ conditions }) => conditions?.ready ?? true)
  const chosen =
    ready.length > 0 ? ready : all.filter(({ conditions }) => conditions?.serving && conditions.terminating)
  const unique = new Map(chosen.map(({ ip, port }) => [`${ip}:${port}`, { ip, port }]))
  // In a fixed order: the same state gives the same rules.
  return [...unique.keys()].sort().map(key => unique.get(key)!)
}

const isIpv4 = (text: string): boolean => /^\d+\.\d+\.\d+\.\d+$/.test(text)

import type { V1EndpointSlice, V1Pod } from '@culvert/kubernetes'
import type { PortListMessage, PortMessage } from '@culvert/workloads'
import type { ServiceFacts, ServicePortFacts } from './service-facts.ts'

type TargetOf = (port: ServicePortFacts) => number | undefined

/** A service without a usable port still appears, with an empty list (docs/spec/workload-xds.md 4.1). */
function portLists(services: readonly ServiceFacts[], targetOf: TargetOf): Record<string, PortListMessage> {
  const lists: Record<string, PortListMessage> = {}
  for (const service of services) {
    const ports: PortMessage[] = []
    for (const port of service.ports) {
      const targetPort = targetOf(port)
      if (targetPort !== undefined && targetPort > 0) ports.push({ servicePort: port.port, targetPort })
    }
    lists[service.key] = { ports }
  }
  return lists
}

/** The TCP container port of that name. A restartable init container is a sidecar and serves as long as the pod. */
export function containerPort(pod: V1Pod, name: string): number | undefined {
  const { containers = [], initContainers = [] } = pod.spec ?? {}
  const serving = [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')]
  for (const container of serving) {
    const found = container.ports?.find(port => port.name === name && (port.protocol ?? 'TCP') === 'TCP')
    if (found !== undefined) return found.containerPort
  }
  return undefined
}

export function podPorts(pod: V1Pod, services: readonly ServiceFacts[]): Record<string, PortListMessage> {
  return portLists(services, port => {
    if (port.fromServiceEntry) return containerPort(pod, port.name) ?? Number(port.target)
    return typeof port.target === 'number' ? port.target : containerPort(pod, port.target)
  })
}

/** For WorkloadEntries and inline endpoints, which list their ports by name. */
export function entryPorts(
  ports: Readonly<Record<string, number>>,
  services: readonly ServiceFacts[]
): Record<string, PortListMessage> {
  return portLists(services, port => {
    if (port.fromServiceEntry) return ports[port.name] ?? Number(port.target)
    return typeof port.target === 'number' ? (ports[port.name] ?? port.target) : ports[port.target]
  })
}

export function slicePorts(slice: V1EndpointSlice, services: readonly ServiceFacts[]): Record<string, PortListMessage> {
  return portLists(services, port => {
    const same = slice.ports?.find(candidate => (candidate.name ?? '') === port.name)
    return same !== undefined && (same.protocol ?? 'TCP') === 'TCP' ? same.port : undefined
  })
}

import {
  matchesLabels,
  services as serviceResource,
  type V1Endpoint,
  type V1EndpointSlice,
  type V1Pod,
  type V1Service,
  type V1ServicePort
} from '@culvert/kubernetes'
import { controllerReference } from './ownership.ts'
import { isFinished, isReady, isTerminating } from './pod-facts.ts'
import { canonical, hashName } from './template-hash.ts'

export const serviceNameLabel = 'kubernetes.io/service-name'
const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const managedBy = 'endpointslice-controller.k8s.io'
const headlessLabel = 'service.kubernetes.io/headless'

/** Kubernetes' own default. */
const endpointsPerSlice = 100

type Port = NonNullable<V1EndpointSlice['ports']>[number]

/**
 * The slices a service should have. Pods whose named ports resolve to different numbers go to different slices. Names
 * follow from the content's place, so that the same pods always give the same slices.
 */
export function slicesFor(service: V1Service, pods: readonly V1Pod[]): V1EndpointSlice[] {
  const { selector, ports = [], publishNotReadyAddresses = false } = service.spec ?? {}
  if (selector === undefined || Object.keys(selector).length === 0) return []
  const chosen = pods
    .filter(pod => matchesLabels(selector, pod.metadata?.labels))
    .filter(pod => !isFinished(pod) && (pod.status?.podIP ?? '') !== '')
    .sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1))
  const groups = Map.groupBy(chosen, pod => JSON.stringify(resolvePorts(ports, pod)))
  if (groups.size === 0) return [slice(service, '[]', 0, [], [])]
  return [...groups].flatMap(([key, group]) => {
    const resolved = JSON.parse(key) as Port[]
    const chunks = Array.from({ length: Math.ceil(group.length / endpointsPerSlice) }, (_, index) =>
      group.slice(index * endpointsPerSlice, (index + 1) * endpointsPerSlice)
    )
    return chunks.map((chunk, index) =>
      slice(
        service,
        key,
        index,
        resolved,
        chunk.map(pod => endpoint(pod, publishNotReadyAddresses))
      )
    )
  })
}

function slice(
  service: V1Service,
  key: string,
  index: number,
  ports: Port[],
  endpoints: V1Endpoint[]
): V1EndpointSlice {
  const { name, namespace, uid, labels } = service.metadata ?? {}
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${hashName([uid, key, index], 5)}`,
      namespace: namespace ?? '',
      labels: {
        ...labels,
        [serviceNameLabel]: name ?? '',
        [managedByLabel]: managedBy,
        ...(service.spec?.clusterIP === 'None' ? { [headlessLabel]: '' } : {})
      },
      ownerReferences: [controllerReference(service, serviceResource)]
    },
    addressType: 'IPv4',
    endpoints,
    ports
  }
}

/** Which ports of a pod the service's ports lead to. A named port the pod does not have is left out. */
export function resolvePorts(ports: readonly V1ServicePort[], pod: V1Pod): Port[] {
  return ports.flatMap(({ name = '', port, protocol = 'TCP', targetPort = port, appProtocol }) => {
    const number = typeof targetPort === 'number' ? targetPort : namedPort(pod, targetPort, protocol)
    if (number === undefined) return []
    return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }]
  })
}

function namedPort(pod: V1Pod, name: string, protocol: string): number | undefined {
  const sidecars = pod.spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always') ?? []
  for (const { ports = [] } of [...(pod.spec?.containers ?? []), ...sidecars]) {
    const found = ports.find(port => port.name === name && (port.protocol ?? 'TCP') === protocol)
    if (found !== undefined) return found.containerPort
  }
  return undefined
}

function endpoint(pod: V1Pod, always: boolean): V1Endpoint {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {}
  const serving = isReady(pod)
  const terminating = isTerminating(pod)
  const { hostname, subdomain, nodeName } = pod.spec ?? {}
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready: always || (serving && !terminating), serving, terminating },
    ...(hostname !== undefined && subdomain !== undefined ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: { kind: 'Pod', namespace, name, uid }
  }
}

/** Whether a slice that is there says what it should; what others put into its metadata does not count. */
export function sameSlice(present: V1EndpointSlice, wanted: V1EndpointSlice): boolean {
  const labels = wanted.metadata?.labels ?? {}
  return (
    canonical([present.endpoints ?? [], present.ports ?? []]) === canonical([wanted.endpoints, wanted.ports]) &&
    Object.entries(labels).every(([key, value]) => present.metadata?.labels?.[key] === value)
  )
}

export const isManaged = ({ metadata }: V1EndpointSlice): boolean => metadata?.labels?.[managedByLabel] === managedBy

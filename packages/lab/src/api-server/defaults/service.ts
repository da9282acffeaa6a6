import type { V1Service, V1ServiceSpec } from '@kubernetes/client-node'
import type { KubeObject } from '../objects.ts'
import { invalid, StatusError } from '../status.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'
import { invalidValue } from '../validation/field-errors.ts'
import { validateService } from '../validation/service.ts'
import { fill, listOf } from './fill.ts'
import { AllocationError } from './service-addresses.ts'

export const serviceStrategy: Strategy = {
  defaults: service => defaultService(specOf(service)),
  prepareCreate(service, context) {
    service.status = { loadBalancer: {} }
    // A service that will be refused for what it says gets no address.
    if (validateService(service as unknown as V1Service, undefined).length === 0) allocate(service, context)
  },
  prepareUpdate(service, old, context) {
    keepAllocated(specOf(service), specOf(old))
    if (validateService(service as unknown as V1Service, undefined).length === 0) allocate(service, context, old)
  },
  validate: (service, old) => validateService(service as unknown as V1Service, old as unknown as V1Service | undefined)
}

const specOf = (service: KubeObject): V1ServiceSpec => (service.spec ?? {}) as V1ServiceSpec

function defaultService(spec: V1ServiceSpec): void {
  fill(spec, { type: 'ClusterIP', sessionAffinity: 'None' })
  for (const port of listOf(spec.ports)) fill(port, { protocol: 'TCP', targetPort: port.port })
  if (spec.sessionAffinity === 'ClientIP')
    fill(spec, { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } })
  if (spec.type === 'ExternalName') return
  fill(spec, { internalTrafficPolicy: 'Cluster', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
  if (spec.type === 'LoadBalancer') fill(spec, { allocateLoadBalancerNodePorts: true })
  if (needsNodePorts(spec)) fill(spec, { externalTrafficPolicy: 'Cluster' })
  // Either of the two says the address; the list is the newer one.
  const address = spec.clusterIP !== undefined && spec.clusterIP !== '' ? spec.clusterIP : spec.clusterIPs?.[0]
  if (address === undefined) delete spec.clusterIP
  else Object.assign(spec, { clusterIP: address, clusterIPs: [address] })
}

const needsNodePorts = ({ type }: V1ServiceSpec): boolean => type === 'NodePort' || type === 'LoadBalancer'

function allocate(service: KubeObject, context: StrategyContext, old?: KubeObject): void {
  const spec = specOf(service)
  const before = old === undefined ? undefined : specOf(old)
  try {
    if (spec.type !== 'ExternalName' && spec.clusterIP !== 'None' && spec.clusterIP !== before?.clusterIP) {
      const address = context.allocateClusterIp(spec.clusterIP)
      Object.assign(spec, { clusterIP: address, clusterIPs: [address] })
    } else if (spec.type !== 'ExternalName' && spec.clusterIP === undefined) {
      const address = context.allocateClusterIp(undefined)
      Object.assign(spec, { clusterIP: address, clusterIPs: [address] })
    }
    if (!needsNodePorts(spec)) return
    const kept = new Set(listOf(before?.ports).map(({ nodePort }) => nodePort))
    for (const port of listOf(spec.ports)) {
      if (port.nodePort === undefined || !kept.has(port.nodePort))
        port.nodePort = context.allocateNodePort(port.nodePort)
    }
  } catch (error) {
    if (!(error instanceof AllocationError) || error instanceof StatusError) throw error
    const field = error.message.includes('port') ? 'spec.ports[0].nodePort' : 'spec.clusterIPs'
    throw invalid({ group: '', kind: 'Service' }, service.metadata.name, [
      invalidValue(field, spec.clusterIPs ?? '', error.message)
    ])
  }
}

/** What the server chose stays when a client that knows nothing of it replaces the service. */
function keepAllocated(spec: V1ServiceSpec, old: V1ServiceSpec): void {
  if (spec.type === 'ExternalName' || old.type === 'ExternalName') return
  if (spec.clusterIP === undefined && old.clusterIP !== undefined) {
    Object.assign(spec, { clusterIP: old.clusterIP, clusterIPs: old.clusterIPs })
  }
  if (!needsNodePorts(spec)) {
    for (const port of listOf(spec.ports)) delete port.nodePort
    delete spec.externalTrafficPolicy
    delete spec.allocateLoadBalancerNodePorts
    return
  }
  for (const port of listOf(spec.ports)) {
    const before = listOf(old.ports).find(one => one.port === port.port && one.protocol === port.protocol)
    if (before?.nodePort !== undefined) fill(port, { nodePort: before.nodePort })
  }
}

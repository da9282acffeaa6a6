import type { CapturedConnection, ConnectionDecision } from '@culvert/tunnel'
import { workloadIdentity } from '@culvert/workloads'
import { trafficBetween } from '../observe/traffic-between.ts'
import {
  decide,
  refuseInboundSelfCall,
  serviceOfInbound,
  sourceOfInbound,
  unknownSourceWorkload
} from '../routing/index.ts'
import type { NodeContext, PodContext } from './context.ts'
import { allowInbound } from './inbound-policy.ts'
import { localWorkload } from './local-workload.ts'

/** docs/spec/hbone.md section 4: no service or VIP logic, policies without an identity. */
export async function decideInboundPlaintext(
  node: NodeContext,
  pod: PodContext,
  connection: CapturedConnection
): Promise<ConnectionDecision> {
  const { id, source, destination } = connection
  const refuse = (error: string): ConnectionDecision => {
    node.accessLog.failed({ direction: 'inbound', source, destination, error })
    return { kind: 'refuse' }
  }
  const selfCall = refuseInboundSelfCall(node.routing, destination)
  if (selfCall !== undefined) return refuse(selfCall.message)
  const local = await localWorkload(node, pod)
  if (local === undefined) return refuse(unknownSourceWorkload(pod.identity).message)

  const peer = await decide(sourceOfInbound(node.routing, { ip: source.ip }), node.answers(local))
  const service = serviceOfInbound(node.routing, local, { port: destination.port })
  node.records.open(id, {
    direction: 'inbound',
    source,
    destination,
    hboneAddress: undefined,
    traffic: trafficBetween({
      reporter: 'destination',
      source: peer && { workload: peer, principal: undefined },
      destination: { workload: local, principal: workloadIdentity(local) },
      service,
      mutualTls: false
    })
  })
  const check = { id, local, source, destination, peerIdentity: undefined, forwardedHost: undefined }
  if (!allowInbound(node, pod, check)) return { kind: 'refuse' }
  return { kind: 'direct', to: destination, from: source.ip }
}

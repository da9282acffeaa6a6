import type { Verdict } from '@culvert/authorization'
import { parseSpiffeId } from '@culvert/spiffe'
import type { ConnectionId, Endpoint } from '@culvert/tunnel'
import type { Workload } from '@culvert/workloads'
import { policyRejection } from '../observe/failure-text.ts'
import { endpointText } from '../routing/index.ts'
import type { NodeContext, PodContext } from './context.ts'

export interface InboundCheck {
  readonly id: ConnectionId
  readonly local: Workload
  readonly source: Endpoint
  /** Address and final port, as policies see them (docs/spec/authorization.md 3.1). */
  readonly destination: Endpoint
  readonly peerIdentity: string | undefined
  readonly forwardedHost: string | undefined
}

/**
 * Registers the connection, then asks the policies: in this order, so that no change in between is lost. The workload
 * is the one of now also for later changes. A denied connection is logged and forgotten.
 */
export function allowInbound(node: NodeContext, pod: PodContext, check: InboundCheck): boolean {
  const { id, local, source, destination, peerIdentity } = check
  const identity = peerIdentity === undefined ? undefined : parseSpiffeId(peerIdentity)
  const judge = (): Verdict =>
    node.authorizer.evaluate(local, {
      source: { ip: source.ip },
      destination,
      ...(identity === undefined ? {} : { identity })
    })
  pod.live.addInbound(id, {
    entry: {
      src: endpointText(source),
      originalDst: check.forwardedHost ?? null,
      actualDst: endpointText(destination),
      protocol: peerIdentity === undefined ? 'TCP' : 'HBONE'
    },
    judge,
    cut: () => {
      const parties = `${endpointText(source)}(${peerIdentity ?? 'None'})->${endpointText(destination)} (${local.uid})`
      node.log.info(`connection ${parties} closed because it's no longer allowed after a policy update`)
      pod.path()?.cut(id)
    }
  })
  const verdict = judge()
  if (verdict.allowed) return true
  node.records.reject(id, policyRejection(verdict.reason))
  pod.live.remove(id)
  return false
}

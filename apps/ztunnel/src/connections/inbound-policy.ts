import type { Connection, Verdict } from '@culvert/authorization'
import { parseSpiffeId } from '@culvert/spiffe'
import type { ConnectionId, Endpoint } from '@culvert/tunnel'
import type { Workload } from '@culvert/workloads'
import { policyRejection } from '../observe/failure-text.ts'
import { endpointText } from '../routing/index.ts'
import type { NodeContext, PodContext } from './context.ts'
import type { ConnectionEntry, LiveInbound } from './live-connections.ts'

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
  const connection = new CheckedInbound(node, pod, check)
  pod.live.addInbound(check.id, connection)
  const verdict = connection.judge()
  if (verdict.allowed) return true
  node.records.reject(check.id, policyRejection(verdict.reason))
  pod.live.remove(check.id)
  return false
}

class CheckedInbound implements LiveInbound {
  readonly #node: NodeContext
  readonly #pod: PodContext
  readonly #check: InboundCheck
  readonly #connection: Connection

  constructor(node: NodeContext, pod: PodContext, check: InboundCheck) {
    const { source, destination, peerIdentity } = check
    const identity = peerIdentity === undefined ? undefined : parseSpiffeId(peerIdentity)
    this.#node = node
    this.#pod = pod
    this.#check = check
    this.#connection = { source, destination, ...(identity === undefined ? {} : { identity }) }
  }

  entry(): ConnectionEntry {
    const { source, destination, peerIdentity, forwardedHost } = this.#check
    return {
      src: endpointText(source),
      originalDst: forwardedHost ?? null,
      actualDst: endpointText(destination),
      protocol: peerIdentity === undefined ? 'TCP' : 'HBONE'
    }
  }

  judge(): Verdict {
    return this.#node.authorizer.evaluate(this.#check.local, this.#connection)
  }

  cut(): void {
    const { id, source, destination, peerIdentity, local } = this.#check
    const parties = `${endpointText(source)}(${peerIdentity ?? 'None'})->${endpointText(destination)} (${local.uid})`
    this.#node.log.info(`connection ${parties} closed because it's no longer allowed after a policy update`)
    this.#pod.path()?.cut(id)
  }
}

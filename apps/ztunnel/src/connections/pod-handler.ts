import { type LabelSet, labelSet } from '@culvert/telemetry'
import type { ConnectionDecision, ConnectionId, Endpoint, ListenerRole, PodHandler } from '@culvert/tunnel'
import { workloadIdentity } from '@culvert/workloads'
import { unknownSourceWorkload } from '../routing/index.ts'
import type { NodeContext, PodContext } from './context.ts'
import { credentialOf } from './credential.ts'
import { decideInboundPlaintext } from './inbound-plaintext.ts'
import { decideInboundStream } from './inbound-stream.ts'
import { localWorkload } from './local-workload.ts'
import { type AwaitingLabels, decideOutbound, doubleEntry, type OutboundResult } from './outbound.ts'
import { decideSocks5 } from './socks5.ts'

/** Everything the data path asks and reports about one pod. */
export function createPodHandler(node: NodeContext, pod: PodContext): PodHandler {
  const { records, accessLog } = node
  const awaiting = new Map<number, AwaitingLabels>()

  const earlyDeny = (peer: Endpoint, local: Endpoint, error: string): undefined => {
    accessLog.failed({ direction: 'inbound', source: peer, destination: local, error })
    return undefined
  }

  const decided = (id: ConnectionId, result: OutboundResult): ConnectionDecision => {
    if (result.awaiting !== undefined) awaiting.set(id, result.awaiting)
    return result.decision
  }

  return {
    connection: async connection => {
      if (connection.role === 'inbound-plaintext') return await decideInboundPlaintext(node, pod, connection)
      return decided(connection.id, await decideOutbound(node, pod, connection))
    },
    socks5: async request => decided(request.id, await decideSocks5(node, pod, request)),
    stream: stream => decideInboundStream(node, pod, stream),
    serverCredential: async (peer, local) => {
      const workload = await localWorkload(node, pod)
      if (workload === undefined) return earlyDeny(peer, local, unknownSourceWorkload(pod.identity).message)
      try {
        return credentialOf(await node.certificates.certificate(workloadIdentity(workload), 'realtime'))
      } catch (error) {
        return earlyDeny(peer, local, `signing error: ${error instanceof Error ? error.message : String(error)}`)
      }
    },
    handshakeFailed: ({ peer, local, message }) => earlyDeny(peer, local, message),
    peerRevoked: peer => node.revoked.add(1, peer === 'server' ? ofSource : ofDestination),
    sockets: ({ role, opened, closed }) => node.sockets.add(opened - closed, reporters[role]),
    opened: opened => {
      const waiting = awaiting.get(opened.id)
      if (waiting === undefined) return
      awaiting.delete(opened.id)
      records.open(opened.id, doubleEntry(node, waiting, opened))
    },
    progress: records.progress,
    closed: outcome => {
      const waiting = awaiting.get(outcome.id)
      awaiting.delete(outcome.id)
      // The tunnels never stood: the labels are what was known before.
      if (waiting !== undefined) records.open(outcome.id, doubleEntry(node, waiting, undefined))
      records.close(outcome)
      pod.live.remove(outcome.id)
    }
  }
}

const [ofSource, ofDestination] = [labelSet([['reporter', 'source']]), labelSet([['reporter', 'destination']])]

/** Rendered once: every batch asks. */
const reporters: Record<ListenerRole, LabelSet> = {
  outbound: ofSource,
  'inbound-plaintext': ofDestination,
  'inbound-hbone': ofDestination,
  socks5: ofSource
}

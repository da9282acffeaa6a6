import type { Verdict } from '@culvert/authorization'
import type { ConnectionId, Endpoint } from '@culvert/tunnel'
import { endpointText } from '../routing/index.ts'

/** What the dump shows of a live connection; docs/spec/observability-dns.md 8. */
export interface ConnectionEntry {
  readonly src: string
  readonly originalDst: string | null
  readonly actualDst: string
  readonly protocol: 'HBONE' | 'TCP' | 'DOUBLEHBONE'
}

/** Those of now, each described when its turn comes, for there may be thousands. Undefined: one just like it was shown. */
export interface ConnectionsDump {
  readonly inbound: Iterable<ConnectionEntry | undefined>
  readonly outbound: Iterable<ConnectionEntry | undefined>
}

/** Described only when asked: most connections end unseen. */
export interface LiveOutbound {
  readonly source: Endpoint
  readonly originalDestination: Endpoint
  readonly to: Endpoint
  readonly protocol: ConnectionEntry['protocol']
}

export interface LiveInbound {
  readonly entry: () => ConnectionEntry
  /** Asks today's policies about it, with the workload as it was when it opened. */
  readonly judge: () => Verdict
  /** Called when it is denied now. */
  readonly cut: () => void
}

/** The connections of one pod, from the policy check (inbound) or the route (outbound) to their end. */
export interface LiveConnections {
  readonly addInbound: (id: ConnectionId, connection: LiveInbound) => void
  readonly addOutbound: (id: ConnectionId, connection: LiveOutbound) => void
  readonly remove: (id: ConnectionId) => void
  /** After a policy change (docs/spec/authorization.md 3.6): a step for each connection, since there may be thousands. */
  readonly judgeAgain: () => Iterable<void>
  readonly dump: () => ConnectionsDump
}

export function createLiveConnections(): LiveConnections {
  const inbound = new Map<ConnectionId, LiveInbound>()
  const outbound = new Map<ConnectionId, LiveOutbound>()
  return {
    addInbound: (id, connection) => inbound.set(id, connection),
    addOutbound: (id, connection) => outbound.set(id, connection),
    remove: id => {
      inbound.delete(id)
      outbound.delete(id)
    },
    *judgeAgain() {
      for (const connection of inbound.values()) {
        if (!connection.judge().allowed) connection.cut()
        yield
      }
    },
    dump: () => ({
      inbound: distinct([...inbound.values()], connection => connection.entry()),
      outbound: distinct([...outbound.values()], outboundEntry)
    })
  }
}

const outboundEntry = ({ source, originalDestination, to, protocol }: LiveOutbound): ConnectionEntry => ({
  src: endpointText(source),
  originalDst: endpointText(originalDestination),
  actualDst: endpointText(to),
  protocol
})

/** Identical entries show once. */
function* distinct<Connection>(
  connections: readonly Connection[],
  describe: (connection: Connection) => ConnectionEntry
): Generator<ConnectionEntry | undefined> {
  const shown = new Set<string>()
  for (const connection of connections) {
    const entry = describe(connection)
    const text = JSON.stringify(entry)
    yield shown.has(text) ? undefined : entry
    shown.add(text)
  }
}

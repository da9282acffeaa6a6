import type { Endpoint } from '@culvert/tunnel'
import type { AccessEntry, AccessLog, Ending } from '../observe/access-log.ts'

/** A connection that is over, with what it was about. */
export interface RecentConnection {
  /** Counts up; what an explanation is asked by. */
  readonly number: number
  readonly endedAt: string
  readonly direction: 'inbound' | 'outbound'
  readonly source: Endpoint
  readonly destination: Endpoint
  /** What the application asked for, where that is known. */
  readonly requested?: Endpoint
  readonly authority?: string
  readonly peerIdentity?: string
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly milliseconds: number
  readonly error: string | null
}

export interface RecentConnections {
  readonly all: () => readonly RecentConnection[]
  readonly get: (number: number) => RecentConnection | undefined
  /** The log that it reads along with. */
  readonly listen: (log: AccessLog) => AccessLog
}

interface Kept {
  readonly number: number
  readonly at: number
  readonly entry: Pick<AccessEntry, 'direction' | 'source' | 'destination'> & Partial<AccessEntry>
  readonly ending: Ending
}

/** The last connections that ended, so many and no more. What is kept of each is put into words when asked for. */
export function createRecentConnections({
  limit = 256,
  now = Date.now
}: {
  readonly limit?: number
  readonly now?: () => number
} = {}): RecentConnections {
  const ring: Kept[] = []
  let count = 0

  function keep(entry: Kept['entry'], ending: Ending): void {
    ring[count % limit] = { number: ++count, at: now(), entry, ending }
  }

  return {
    all: () => [...ring].sort((a, b) => a.number - b.number).map(describe),
    get(number) {
      const kept = ring.find(connection => connection.number === number)
      return kept && describe(kept)
    },
    listen: log => ({
      opened: log.opened,
      complete(entry, ending) {
        log.complete(entry, ending)
        keep(entry, ending)
      },
      failed(refused) {
        log.failed(refused)
        keep(refused, { fromClient: 0, toClient: 0, duration: 0, error: refused.error })
      }
    })
  }
}

function describe({ number, at, entry, ending }: Kept): RecentConnection {
  const { direction, source, destination, requested, hboneAddress, traffic } = entry
  const outbound = direction === 'outbound'
  const principal = outbound ? traffic?.destination.principal : traffic?.source.principal
  return {
    number,
    endedAt: new Date(at).toISOString(),
    direction,
    source,
    destination,
    ...(requested && { requested }),
    ...(hboneAddress !== undefined && { authority: hboneAddress }),
    ...(traffic?.mutualTls && principal !== undefined && { peerIdentity: principal }),
    bytesSent: outbound ? ending.fromClient : ending.toClient,
    bytesReceived: outbound ? ending.toClient : ending.fromClient,
    milliseconds: Math.floor(ending.duration),
    error: ending.error ?? null
  }
}

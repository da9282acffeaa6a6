import { display, type LogFields, type Logger, PreparedFields } from '@culvert/telemetry'
import type { Endpoint } from '@culvert/tunnel'
import { endpointText } from '../routing/index.ts'
import type { Traffic } from './traffic-labels.ts'

/** What the access log says of one connection; docs/spec/observability-dns.md section 3. */
export interface AccessEntry {
  readonly direction: 'inbound' | 'outbound'
  readonly source: Endpoint
  /** outbound: the next hop; inbound: what the client reached. */
  readonly destination: Endpoint
  /** outbound: what the application asked for. Not logged; for explanations. */
  readonly requested?: Endpoint
  /** Authority of the CONNECT. */
  readonly hboneAddress: string | undefined
  readonly traffic: Traffic
}

export interface Ending {
  readonly fromClient: number
  readonly toClient: number
  /** Milliseconds. */
  readonly duration: number
  readonly error: string | undefined
}

export interface AccessLog {
  readonly opened: (entry: AccessEntry) => void
  readonly complete: (entry: AccessEntry, ending: Ending) => void
  /** Refused before there were labels. */
  readonly failed: (refused: {
    readonly direction: 'inbound' | 'outbound'
    readonly source: Endpoint
    readonly destination: Endpoint
    readonly error: string
  }) => void
}

export function createAccessLog(log: Logger): AccessLog {
  return {
    opened: entry => {
      if (log.enabled('debug')) log.debug('connection opened', fields(entry))
    },
    complete: (entry, ending) => {
      // The message stays the same for failures; only the level and the last field tell.
      log.log(ending.error === undefined ? 'info' : 'error', 'connection complete', [
        ...fields(entry),
        // The local application's view: what it sent, what it received.
        ['bytes_sent', entry.direction === 'outbound' ? ending.fromClient : ending.toClient],
        ['bytes_recv', entry.direction === 'outbound' ? ending.toClient : ending.fromClient],
        ['duration', `${Math.floor(ending.duration)}ms`],
        ['error', ending.error]
      ])
    },
    failed: ({ direction, source, destination, error }) => {
      log.warn('connection failed', [
        ['src.addr', display(endpointText(source))],
        ['dst.addr', display(endpointText(destination))],
        ['direction', direction],
        ['error', error]
      ])
    }
  }
}

type Fields = Extract<LogFields, readonly unknown[]>

function fields(entry: AccessEntry): Fields {
  const { source, destination } = prepared(entry.traffic)
  return [
    ['src.addr', display(endpointText(entry.source))],
    source,
    ['dst.addr', display(endpointText(entry.destination))],
    ['dst.hbone_addr', entry.hboneAddress === undefined ? undefined : display(entry.hboneAddress)],
    destination,
    ['direction', entry.direction]
  ]
}

interface PreparedEnds {
  readonly source: PreparedFields
  readonly destination: PreparedFields
}

const preparedEnds = new WeakMap<Traffic, PreparedEnds>()

function prepared(traffic: Traffic): PreparedEnds {
  const before = preparedEnds.get(traffic)
  if (before !== undefined) return before
  const { source, destination, service, mutualTls } = traffic
  const ends: PreparedEnds = {
    source: new PreparedFields([
      ['src.workload', known(traffic.sourceName) ?? known(source.canonicalService)],
      ['src.namespace', known(source.namespace)],
      ['src.identity', mutualTls ? known(source.principal) : undefined],
      ['src.cluster', known(source.cluster)]
    ]),
    destination: new PreparedFields([
      ['dst.service', known(service?.hostname)],
      ['dst.workload', known(traffic.destinationName)],
      ['dst.namespace', known(destination.namespace)],
      ['dst.identity', mutualTls ? known(destination.principal) : undefined],
      ['dst.cluster', known(destination.cluster)]
    ])
  }
  preparedEnds.set(traffic, ends)
  return ends
}

const known = (value: string | undefined): string | undefined => value || undefined

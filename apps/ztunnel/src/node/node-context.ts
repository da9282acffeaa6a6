import { createAuthorizer } from '@culvert/authorization'
import type { CertificateManager } from '@culvert/certificates'
import type { Log, LogLevel } from '@culvert/telemetry'
import type { DiscoveryClient, PolicyStore, Workload, WorkloadIndex } from '@culvert/workloads'
import type { NodeContext } from '../connections/context.ts'
import type { RecentConnections } from '../explain/recent-connections.ts'
import { createAccessLog } from '../observe/access-log.ts'
import { createBaggageReader } from '../observe/believed-baggage.ts'
import { createConnectionRecords } from '../observe/connection-records.ts'
import { onDemandDnsLabels } from '../observe/on-demand-dns.ts'
import type { TrafficMetrics } from '../observe/traffic-metrics.ts'
import type { Settings } from '../settings/settings.ts'

export interface NodeParts {
  readonly settings: Settings
  readonly log: Log
  readonly index: WorkloadIndex
  readonly policies: PolicyStore
  readonly certificates: CertificateManager
  readonly metrics: TrafficMetrics
  /** Reads along what ends. */
  readonly recent: Pick<RecentConnections, 'listen'>
  /** Undefined without xDS. */
  readonly discovery: DiscoveryClient | undefined
  readonly resolveHostname: (hostname: string) => Promise<readonly string[] | undefined>
}

/** What every connection's decision rests on, in one value. */
export function createNodeContext(parts: NodeParts): NodeContext {
  const { settings, log, index, metrics, discovery } = parts
  const accessLog = parts.recent.listen(createAccessLog(log.scope('access')))
  return {
    routing: {
      index,
      network: settings.network,
      illegalPorts: settings.illegalPorts,
      onDemand: settings.xds?.onDemand ?? false,
      localhostAppTunnel: settings.localhostAppTunnel,
      random: Math.random
    },
    index,
    authorizer: createLoggingAuthorizer(parts),
    certificates: parts.certificates,
    answers: source => ({
      demand: name => discovery?.demand(name) ?? Promise.resolve(),
      resolve: (workload: Workload) => {
        metrics.onDemandDns.add(1, onDemandDnsLabels(source, workload.hostname))
        return parts.resolveHostname(workload.hostname)
      }
    }),
    records: createConnectionRecords({ accessLog, metrics }),
    accessLog,
    sockets: metrics.sockets,
    revoked: metrics.revoked,
    log: log.scope('ztunnel::proxy::connection_manager'),
    responseBaggage: settings.responseBaggage,
    readBaggage: createBaggageReader()
  }
}

/** Policy decisions are logged at debug, or at info when asked for (docs/spec/observability-dns.md 4.2). */
function createLoggingAuthorizer({ settings, log, policies }: NodeParts): NodeContext['authorizer'] {
  const scope = log.scope('ztunnel::state')
  const level: LogLevel = settings.log.policiesAtInfo ? 'info' : 'debug'
  const onUnknownPolicy = (key: string): void => scope.warn(`skipping unknown policy ${key}`)
  const loud = createAuthorizer(policies, {
    onEvaluation: ({ message, policy }) => scope.log(level, message, { policy }),
    onUnknownPolicy
  })
  const quiet = createAuthorizer(policies, { onUnknownPolicy })
  return {
    evaluate: (workload, connection) => (scope.enabled(level) ? loud : quiet).evaluate(workload, connection)
  }
}

import type { Authorizer } from '@culvert/authorization'
import type { CertificateManager } from '@culvert/certificates'
import type { Baggage } from '@culvert/hbone'
import type { Counter, Gauge, Logger } from '@culvert/telemetry'
import type { PodPath } from '@culvert/tunnel'
import type { Workload, WorkloadIdentity, WorkloadIndex } from '@culvert/workloads'
import type { AccessLog } from '../observe/access-log.ts'
import type { ConnectionRecords } from '../observe/connection-records.ts'
import type { Answers, RoutingContext } from '../routing/index.ts'
import type { LiveConnections } from './live-connections.ts'

/** What deciding about connections needs of the node; one for all pods. */
export interface NodeContext {
  readonly routing: RoutingContext
  readonly index: WorkloadIndex
  readonly authorizer: Pick<Authorizer, 'evaluate'>
  readonly certificates: Pick<CertificateManager, 'certificate'>
  readonly answers: (source: Workload) => Answers
  readonly records: ConnectionRecords
  readonly accessLog: AccessLog
  readonly sockets: Gauge
  /** istio_crl_policy_rejections. */
  readonly revoked: Counter
  readonly log: Logger
  /** ENABLE_RESPONSE_BAGGAGE: whether baggage is sent back and believed. */
  readonly responseBaggage: boolean
  /** What a peer says of itself in its `baggage` lines. */
  readonly readBaggage: (lines: readonly string[]) => Baggage
}

/** One pod's side. */
export interface PodContext {
  readonly identity: WorkloadIdentity
  readonly live: LiveConnections
  /** Undefined until the listeners stand. */
  readonly path: () => PodPath | undefined
  /** Addresses of a name as the pod's DNS proxy answers it; undefined: the DNS proxy is off. */
  readonly lookUp?: (name: string, family: 'A' | 'AAAA') => Promise<readonly string[]>
  /** The first sync, for pods whose listeners stand before it: nothing is decided earlier. */
  readonly synced?: Promise<void>
}

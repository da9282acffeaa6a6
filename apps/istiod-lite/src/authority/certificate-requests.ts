import {
  authorizeNode,
  type CertificateAuthority,
  createCertificateHandler,
  type PodIndex
} from '@culvert/certificates'
import type { Logger } from '@culvert/telemetry'
import type { Metadata } from '@grpc/grpc-js'
import type { IstiodMetrics } from '../monitoring/metrics.ts'
import type { AuthenticatedCall } from '../servers/grpc-servers.ts'
import type { Settings } from '../settings/settings.ts'
import { clusterIdOf } from './authenticate.ts'
import type { Caller } from './caller.ts'

export interface CertificateRequestsOptions {
  readonly settings: Settings
  readonly authenticate: (call: AuthenticatedCall) => Promise<Caller | undefined>
  /** Undefined until all pods are known. */
  readonly podIndex: () => PodIndex | undefined
  /** Undefined until the CA is loaded. */
  readonly authority: () => CertificateAuthority | undefined
  readonly metrics: Pick<IstiodMetrics, 'csr' | 'certificate'>
  readonly log: Logger
}

/** The handler of certificate requests: who gets which name, counted and logged (docs/spec/identity-ca.md 2 and 3.3). */
export function answerCertificateRequests({
  settings,
  authenticate,
  podIndex,
  authority,
  metrics,
  log
}: CertificateRequestsOptions): ReturnType<typeof createCertificateHandler<Caller>> {
  /** By its raw name: an alias or an absent header finds no index (docs/spec/identity-ca.md 3.3, step 2). */
  const indexOf = (metadata: Metadata): PodIndex | undefined =>
    clusterIdOf(metadata) === settings.clusterId ? podIndex() : undefined

  return createCertificateHandler<Caller>({
    authenticate: call => {
      metrics.csr()
      return authenticate(call)
    },
    identities: caller => caller.identities,
    impersonate(caller, wanted, metadata) {
      if (caller.pod === undefined) return { allowed: false, reason: 'the credential is not bound to a pod' }
      const { pod, ...account } = caller
      const node = { ...account, podName: pod.name, podUid: pod.uid }
      return authorizeNode(settings.authority.trustedNodeAccounts, indexOf(metadata), node, wanted)
    },
    authority,
    onResult(result) {
      metrics.certificate(result)
      if (result.kind === 'issued') log.debug(`issued a certificate for ${JSON.stringify(result.sans.join(','))}`)
      else log.warn(`no certificate: ${result.reason}`)
    }
  })
}

import {
  type CertificateManager,
  connectSpireAgent,
  createCaClient,
  createCertificateManager,
  createSpireCertificates,
  type SpirePod
} from '@culvert/certificates'
import { parseSpiffeId } from '@culvert/spiffe'
import type { Logger } from '@culvert/telemetry'
import { type Workload, type WorkloadIndex, workloadIdentity } from '@culvert/workloads'
import type { Settings } from '../settings/settings.ts'
import { type CertificateSource, createTestCa, testCaWarning } from './test-ca.ts'

export interface NodeCertificates extends CertificateManager {
  /** A pod whose certificates are wanted until the returned function is called. */
  readonly follow: (pod: SpirePod) => () => void
  readonly shutDown: () => void
}

export async function createNodeCertificates(settings: Settings, log: Logger): Promise<NodeCertificates> {
  const { spireSocket } = settings.ca
  if (spireSocket !== undefined) return spireCertificates(spireSocket, log)
  if (settings.ca.fake) log.warn(testCaWarning)
  const source = settings.ca.fake ? await createTestCa(settings.ca) : caClient(settings)
  const manager = createCertificateManager({
    fetch: source.fetch,
    onFailure: (identity, error, retryInMs) => {
      log.warn('certificate fetch failed', [
        ['identity', identity],
        ['error', error.message],
        ['retry_ms', Math.round(retryInMs)]
      ])
    }
  })
  return {
    ...manager,
    // A CA is asked by identity, which discovery knows.
    follow: () => () => undefined,
    shutDown: () => {
      manager.close()
      source.close()
    }
  }
}

function spireCertificates(socket: string, log: Logger): NodeCertificates {
  const certificates = createSpireCertificates({
    agent: connectSpireAgent({ socket }),
    onProblem: ({ message }) => log.warn('SPIRE agent', { error: message })
  })
  return { ...certificates, shutDown: certificates.close }
}

function caClient({ ca, clusterId, dedicated }: Settings): CertificateSource {
  return createCaClient({
    address: ca.address,
    rootCa: ca.rootCa,
    altHostname: ca.altHostname,
    token: ca.token,
    clusterId,
    headers: ca.headers,
    ttlSeconds: ca.ttlSeconds,
    impersonate: dedicated === undefined,
    tls12: ca.tls12
  })
}

/** docs/spec/identity-ca.md 4.6: at most this many prefetches wait. */
const maxQueued = 256

/** Fetches certificates of this node's workloads before they are needed and forgets those nobody runs as. */
export function followWorkloads(
  index: WorkloadIndex,
  certificates: Pick<CertificateManager, 'certificate' | 'forget' | 'dump'>,
  { prefetch, log }: { readonly prefetch: boolean; readonly log: Logger }
): () => void {
  const queue: string[] = []
  let running = false

  const work = async (): Promise<void> => {
    running = true
    for (let identity = queue.shift(); identity !== undefined; identity = queue.shift()) {
      try {
        await certificates.certificate(identity, 'warmup')
      } catch (error) {
        log.warn('certificate prefetch failed', {
          identity,
          error: error instanceof Error ? error.message : String(error)
        })
      }
    }
    running = false
  }

  return index.watch({
    localInserted: workload => {
      if (!prefetch || !needsCertificate(workload)) return
      if (queue.length >= maxQueued) {
        log.warn('too many certificates to prefetch', { identity: workloadIdentity(workload) })
        return
      }
      queue.push(workloadIdentity(workload))
      if (!running) void work()
    },
    localIdentityGone: ({ namespace, serviceAccount }) => {
      for (const { identity } of certificates.dump()) {
        const id = parseSpiffeId(identity)
        if (id?.namespace === namespace && id.serviceAccount === serviceAccount) certificates.forget(identity)
      }
    }
  })
}

const needsCertificate = ({ nativeTunnel, protocol }: Workload): boolean => nativeTunnel || protocol === 'HBONE'

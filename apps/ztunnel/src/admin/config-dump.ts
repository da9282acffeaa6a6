import type { CertificateManager, CertificateState } from '@culvert/certificates'
import {
  type Dump,
  dumpPolicies,
  dumpServices,
  dumpStagedServices,
  dumpWorkloads,
  type PolicyStore,
  type WorkloadIndex
} from '@culvert/workloads'
import type { PodStates } from '../pods/pod-states.ts'
import type { Settings } from '../settings/settings.ts'
import { type CertificateView, certificateView } from './certificate-view.ts'
import { configView } from './config-view.ts'

export interface DumpParts {
  readonly settings: Settings
  readonly index: WorkloadIndex
  readonly policies: PolicyStore
  readonly certificates: Pick<CertificateManager, 'dump'>
  readonly staticConfig: Dump
  /** Undefined in dedicated mode. */
  readonly states: PodStates | undefined
}

/** `/config_dump`: docs/spec/observability-dns.md section 8. Its long lists are made on the way. */
export function configDump(parts: DumpParts): unknown {
  const { settings, index } = parts
  return {
    certificates: views(parts.certificates.dump()),
    config: configView(settings),
    policies: dumpPolicies(parts.policies),
    services: dumpServices(index),
    stagedServices: dumpStagedServices(index),
    staticConfig: parts.staticConfig,
    version: versionView(settings.istioVersion),
    workloadState: parts.states?.dump(),
    workloads: dumpWorkloads(index)
  }
}

/** Each is parsed when it is asked for. */
function* views(certificates: readonly CertificateState[]): Generator<CertificateView> {
  for (const certificate of certificates) yield certificateView(certificate)
}

export function versionView(istioVersion: string): Readonly<Record<string, string>> {
  return {
    version: 'culvert',
    gitRevision: 'unknown',
    rustVersion: 'unknown',
    buildProfile: 'release',
    buildStatus: 'Clean',
    cryptoProvider: `openssl ${process.versions.openssl}`,
    istioVersion
  }
}

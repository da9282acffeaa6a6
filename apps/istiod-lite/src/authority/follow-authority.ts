import type { Informer, KubernetesClient, V1Namespace } from '@culvert/kubernetes'
import type { Log } from '@culvert/telemetry'
import type { Elections } from '../election/elections.ts'
import type { IstiodMetrics } from '../monitoring/metrics.ts'
import type { TlsIdentity } from '../servers/tls-front.ts'
import type { Settings } from '../settings/settings.ts'
import type { AuthorityState } from './authority-state.ts'
import { startRootPublisher } from './root-publisher.ts'
import { servingIdentity } from './start-authority.ts'

export interface FollowAuthorityOptions {
  readonly settings: Settings
  readonly client: KubernetesClient
  readonly namespaces: Informer<V1Namespace>
  readonly elections: Elections
  readonly metrics: Pick<IstiodMetrics, 'rootExpiry'>
  readonly setIdentity: (identity: TlsIdentity) => void
  readonly log: Log
  readonly signal: AbortSignal
}

/** What goes with the CA in force: its expiry as a metric, our serving certificate, its root in every namespace. */
export async function followAuthority(state: AuthorityState, options: FollowAuthorityOptions): Promise<void> {
  const { settings, metrics, setIdentity, signal } = options
  const log = options.log.scope('pkica')
  const expiry = (): void => metrics.rootExpiry(state.authority.signingCertificate.validToDate)
  expiry()
  state.onChange(() => {
    expiry()
    servingIdentity(state, settings)
      .then(setIdentity)
      .catch(error => log.error(`cannot renew the serving certificate: ${error.message}`))
  })
  await publishRoot(state, options).catch(error => {
    if (!signal.aborted) log.error(`cannot publish the root: ${error.message}`)
  })
}

async function publishRoot(
  state: AuthorityState,
  { settings, client, namespaces, elections, log, signal }: FollowAuthorityOptions
): Promise<void> {
  const { rootConfigMap, crlConfigMap } = settings.authority
  const root = { name: rootConfigMap, key: 'root-cert.pem', content: () => state.material.rootBundle }
  const crl = { key: 'ca-crl.pem', content: () => state.material.crl }
  const lock = 'istio-namespace-controller-election'
  const publisher = await startRootPublisher({
    client,
    namespaces,
    files: crlConfigMap === undefined ? [root] : [root, { name: crlConfigMap, ...crl }],
    leads: () => elections.leads(lock),
    log: log.scope('namespacecontroller'),
    signal
  })
  state.onChange(publisher.refresh)
  elections.run('ConfigMap', lock, publisher.refresh)
}

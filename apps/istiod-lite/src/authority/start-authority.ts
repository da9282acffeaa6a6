import type { KubernetesClient } from '@culvert/kubernetes'
import type { Logger } from '@culvert/telemetry'
import type { Clock } from '@culvert/clock'
import type { TlsIdentity } from '../servers/tls-front.ts'
import type { Settings } from '../settings/settings.ts'
import { type AuthorityState, createAuthorityState } from './authority-state.ts'
import type { KeyMaterial } from './key-material.ts'
import { readPluggedInCa } from './plugged-in-ca.ts'
import { watchPluggedInCa } from './plugged-in-reload.ts'
import { startRotation } from './rotate.ts'
import { loadSelfSignedCa } from './self-signed-ca.ts'
import { issueServingCertificate, servingNames } from './serving-certificate.ts'

export interface AuthorityOptions {
  readonly settings: Settings
  readonly client: KubernetesClient
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Loads the CA, plugged in or self-signed, and keeps it up to date until the signal. */
export async function startAuthority(options: AuthorityOptions): Promise<AuthorityState> {
  const { settings, client, clock, log, signal } = options
  const { directory, defaultTtlSeconds, maxTtlSeconds, ...ca } = settings.authority
  const limits = { defaultTtlSeconds, maxTtlSeconds }
  const plugged: KeyMaterial | undefined = readPluggedInCa(directory)
  if (plugged !== undefined) {
    log.info(`using the CA of ${directory}`)
    const state = await createAuthorityState(plugged, limits)
    watchPluggedInCa({ directory, state, multiRoot: ca.multiRoot, log, signal })
    return state
  }
  const shared = { namespace: settings.namespace, organization: settings.trustDomain, ttlSeconds: ca.rootTtlSeconds }
  const state = await createAuthorityState(await loadSelfSignedCa({ client, log, signal, ...shared }), limits)
  startRotation({
    client,
    ...shared,
    gracePercent: ca.rotationGracePercent,
    intervalSeconds: ca.rotationCheckSeconds,
    jitter: ca.rotationJitter,
    state,
    clock,
    log,
    signal
  })
  return state
}

/** What istiod shows on 15012, of the CA in force. */
export async function servingIdentity(state: AuthorityState, settings: Settings): Promise<TlsIdentity> {
  const { namespace, revision, servingHosts } = settings
  const names = servingNames({ namespace, revision, extra: servingHosts })
  const serving = await issueServingCertificate(state.servingAuthority, names, settings.authority.rootTtlSeconds)
  return { ...serving, roots: state.material.rootBundle, crl: state.material.crl }
}

import { type KubernetesClient, secrets } from '@culvert/kubernetes'
import type { Logger } from '@culvert/telemetry'
import type { Clock } from '@culvert/clock'
import type { AuthorityState } from './authority-state.ts'
import { caSecretName, rotationStep } from './self-signed-ca.ts'

export interface RotationOptions {
  readonly client: Pick<KubernetesClient, 'get' | 'replace'>
  readonly namespace: string
  readonly organization: string
  readonly ttlSeconds: number
  readonly gracePercent: number
  /** Seconds; zero or less turns rotation off. */
  readonly intervalSeconds: number
  readonly jitter: boolean
  readonly state: AuthorityState
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/** One look at the Secret; renews or loads what is due. */
export async function checkRotation(options: RotationOptions): Promise<void> {
  const { client, namespace, organization, ttlSeconds, gracePercent, state, clock, log } = options
  const secret = await client.get(secrets, { namespace, name: caSecretName })
  if (secret === undefined) {
    log.warn(`Secret ${namespace}/${caSecretName} is gone; the root in memory stays in force`)
    return
  }
  const now = clock.now()
  const step = await rotationStep(secret, state.material, { organization, ttlSeconds, gracePercent, now })
  if (step.kind === 'keep') return
  // A conflict means another replica renewed it first: the next check loads that one.
  if (step.kind === 'renew') await client.replace(secrets, step.secret)
  await state.replace(step.material)
  log.info(step.kind === 'renew' ? 'renewed the self-signed root' : 'loaded the root that another replica renewed')
}

/** Checks every interval until the signal. */
export function startRotation(options: RotationOptions): void {
  const { intervalSeconds, jitter, clock, log, signal } = options
  if (intervalSeconds <= 0) return
  let cancel = (): void => {}
  const again = (seconds: number): void => {
    if (signal.aborted) return
    cancel = clock.after(seconds * 1000, () => {
      checkRotation(options)
        .catch(error => log.warn(`root rotation: ${(error as Error).message}`))
        .finally(() => again(intervalSeconds))
    })
  }
  again(intervalSeconds + (jitter ? Math.random() * intervalSeconds : 0))
  signal.addEventListener('abort', () => cancel(), { once: true })
}

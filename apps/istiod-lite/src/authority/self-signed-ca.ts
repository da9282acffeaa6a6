import type { X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { selfSignedRoot } from '@culvert/certificates'
import {
  decodeSecretValue,
  encodeSecretValue,
  type KubernetesClient,
  KubernetesError,
  secrets,
  type V1Secret
} from '@culvert/kubernetes'
import { parseCertificates } from '@culvert/spiffe'
import type { Logger } from '@culvert/telemetry'
import { IstiodError } from '../errors.ts'
import type { KeyMaterial } from './key-material.ts'
import { checkKeyMaterial } from './plugged-in-ca.ts'

export const caSecretName = 'istio-ca-secret'
const caSecretType = 'istio.io/ca-root'

export interface SelfSignedOptions {
  readonly client: Pick<KubernetesClient, 'get' | 'create' | 'replace'>
  readonly namespace: string
  readonly organization: string
  readonly ttlSeconds: number
  readonly log: Logger
  readonly signal: AbortSignal
}

export function materialOfSecret(secret: V1Secret): KeyMaterial {
  const value = (key: string): string => decodeSecretValue(secret.data?.[key] ?? '')
  const certificate = value('ca-cert.pem')
  // `root-cert.pem` stays at the first root for ever (3.5); the certificate is the root in force.
  const material = { certificate, key: value('ca-key.pem'), chain: '', rootBundle: certificate, crl: '' }
  const { namespace = '', name = '' } = secret.metadata ?? {}
  checkKeyMaterial(material, `Secret ${namespace}/${name}`)
  return material
}

async function newSecret({ namespace, organization, ttlSeconds }: SelfSignedOptions): Promise<V1Secret> {
  const root = await selfSignedRoot({ organization, ttlSeconds })
  return {
    metadata: { name: caSecretName, namespace },
    type: caSecretType,
    data: {
      'ca-cert.pem': encodeSecretValue(root.certificate),
      'ca-key.pem': encodeSecretValue(root.key),
      'root-cert.pem': encodeSecretValue(root.certificate),
      'cert-chain.pem': '',
      'key.pem': ''
    }
  }
}

const giveUpMs = 20 * 60_000

/** The CA of the Secret, made on first start. Of two that start together, one makes it and the other loads it. */
export async function loadSelfSignedCa(options: SelfSignedOptions): Promise<KeyMaterial> {
  const { client, namespace, log, signal } = options
  const ref = { namespace, name: caSecretName }
  const begin = performance.now()
  let fresh: V1Secret | undefined
  for (let wait = 100; ; wait = Math.min(wait * 2, 10_000)) {
    try {
      const found = await client.get(secrets, ref, { signal })
      if (found !== undefined) return materialOfSecret(found)
      fresh ??= await newSecret(options)
      const made = await client.create(secrets, fresh, { signal })
      log.info(`created Secret ${namespace}/${caSecretName} with a new self-signed root`)
      return materialOfSecret(made)
    } catch (error) {
      // A Secret that is there but broken stays broken.
      if (error instanceof IstiodError || signal.aborted) throw error
      if (performance.now() - begin > giveUpMs) throw error
      const lost = error instanceof KubernetesError && error.code === 'KUBERNETES_ALREADY_EXISTS'
      if (!lost) {
        log.warn(`cannot load or create Secret ${namespace}/${caSecretName}, trying again: ${(error as Error).message}`)
      }
      await sleep(wait, undefined, { signal })
    }
  }
}

export type RotationStep =
  | { readonly kind: 'keep' }
  /** Another replica was here first. */
  | { readonly kind: 'load'; readonly material: KeyMaterial }
  | { readonly kind: 'renew'; readonly secret: V1Secret; readonly material: KeyMaterial }

/** What one check of the Secret asks for (docs/spec/identity-ca.md 3.5, self-signed rotation). */
export async function rotationStep(
  secret: V1Secret,
  current: KeyMaterial,
  options: { organization: string; ttlSeconds: number; gracePercent: number; now: number }
): Promise<RotationStep> {
  const stored = materialOfSecret(secret)
  const [{ validFromDate, validToDate }] = parseCertificates(stored.certificate) as [X509Certificate]
  const total = validToDate.getTime() - validFromDate.getTime()
  const remaining = validToDate.getTime() - options.now
  if (remaining >= (total * options.gracePercent) / 100) {
    return stored.certificate === current.certificate ? { kind: 'keep' } : { kind: 'load', material: stored }
  }
  // The same key and subject: leaves from before and after verify under either root.
  const { organization, ttlSeconds, now } = options
  const root = await selfSignedRoot({ organization, ttlSeconds, key: stored.key, now })
  const data = {
    ...secret.data,
    'ca-cert.pem': encodeSecretValue(root.certificate),
    'ca-key.pem': encodeSecretValue(root.key)
  }
  const renewed = { ...secret, data }
  return { kind: 'renew', secret: renewed, material: materialOfSecret(renewed) }
}

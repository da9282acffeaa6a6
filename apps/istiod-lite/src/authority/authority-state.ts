import { type CertificateAuthority, createCertificateAuthority } from '@culvert/certificates'
import { parseCertificates } from '@culvert/spiffe'
import { IstiodError } from '../errors.ts'
import type { KeyMaterial } from './key-material.ts'

export interface AuthorityLimits {
  readonly defaultTtlSeconds: number
  readonly maxTtlSeconds: number
}

/** The CA in force, replaced as a whole when its material changes. */
export interface AuthorityState {
  readonly material: KeyMaterial
  readonly authority: CertificateAuthority
  /** The same without a maximum: istiod's own certificate lives as long as the root. */
  readonly servingAuthority: CertificateAuthority
  replace(material: KeyMaterial): Promise<void>
  /** Called after each replacement, with the serving certificate and the published root to follow. */
  onChange(listener: () => void): void
}

/** The default lifetime, cut to what the first certificate of the chain file has left (docs/spec/identity-ca.md 3.4). */
export function limitDefaultTtl({ chain }: KeyMaterial, limits: AuthorityLimits, now: number): AuthorityLimits {
  const [first] = parseCertificates(chain)
  if (first === undefined) return limits
  const remaining = Math.floor((first.validToDate.getTime() - now) / 1000)
  if (remaining <= 0) {
    throw new IstiodError('ISTIOD_CA', `the CA's certificate chain has expired at ${first.validToDate.toISOString()}`)
  }
  return { ...limits, defaultTtlSeconds: Math.min(limits.defaultTtlSeconds, remaining) }
}

export async function createAuthorityState(first: KeyMaterial, given: AuthorityLimits): Promise<AuthorityState> {
  const limits = limitDefaultTtl(first, given, Date.now())
  const make = (material: KeyMaterial, ttls: AuthorityLimits): Promise<CertificateAuthority> =>
    createCertificateAuthority({
      signingCertificate: material.certificate,
      signingKey: material.key,
      chain: material.chain,
      rootBundle: material.rootBundle,
      ...ttls
    })
  const listeners: (() => void)[] = []
  let material = first
  const noMaximum = { ...limits, maxTtlSeconds: Number.POSITIVE_INFINITY }
  let [authority, servingAuthority] = await Promise.all([make(first, limits), make(first, noMaximum)])
  return {
    get material() {
      return material
    },
    get authority() {
      return authority
    },
    get servingAuthority() {
      return servingAuthority
    },
    async replace(next) {
      ;[authority, servingAuthority] = await Promise.all([make(next, limits), make(next, noMaximum)])
      material = next
      for (const listener of listeners) listener()
    },
    onChange: listener => void listeners.push(listener)
  }
}

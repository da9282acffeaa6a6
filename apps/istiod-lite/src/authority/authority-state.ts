import { type CertificateAuthority, createCertificateAuthority } from '@culvert/certificates'
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

export async function createAuthorityState(first: KeyMaterial, limits: AuthorityLimits): Promise<AuthorityState> {
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

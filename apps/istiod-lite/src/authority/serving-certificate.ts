import type { CertificateAuthority } from '@culvert/certificates'
import { createCsr } from '@culvert/spiffe'

export interface ServingNames {
  readonly namespace: string
  readonly revision: string
  /** Host of the mesh's discovery address, and `ISTIOD_CUSTOM_HOST`. */
  readonly extra: readonly string[]
}

/** docs/spec/identity-ca.md 3.6: names as they are given, sorted, each once. */
export function servingNames({ namespace, revision, extra }: ServingNames): string[] {
  const services = ['istiod', 'istiod-remote', 'istio-pilot']
  if (revision !== '' && revision !== 'default') services.push(`istiod-${revision}`)
  const names = [...services.map(service => `${service}.${namespace}.svc`), ...extra]
  return [...new Set(names.filter(name => name !== ''))].sort()
}

export interface ServingCertificate {
  /** Leaf and chain, PEM. */
  readonly certificate: string
  readonly key: string
}

/** A certificate for istiod itself, of its own CA. The key is P-256 whatever the CA's is: every client takes it. */
export async function issueServingCertificate(
  authority: CertificateAuthority,
  names: readonly string[],
  ttlSeconds: number
): Promise<ServingCertificate> {
  const { csr, privateKey } = await createCsr('spiffe://istiod')
  const elements = await authority.sign({ csr, sans: names, ttlSeconds })
  const withoutRoots = authority.rootBundle === '' ? elements : elements.slice(0, -1)
  return { certificate: withoutRoots.join(''), key: privateKey }
}

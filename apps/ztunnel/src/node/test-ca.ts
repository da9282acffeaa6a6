import { createECDH, createHash, createPrivateKey } from 'node:crypto'
import {
  createCertificateAuthority,
  readCertificateChain,
  selfSignedRoot,
  type WorkloadCertificate
} from '@culvert/certificates'
import { createCsr } from '@culvert/spiffe'

export interface CertificateSource {
  readonly fetch: (identity: string) => Promise<WorkloadCertificate>
  readonly close: () => void
}

export const testCaWarning =
  'FAKE_CA=true: certificates come from a test root whose key is public, so anybody can pass for any workload; never run this in a cluster'

/**
 * Signs by itself, without a control plane (docs/spec/zds.md 5.5). The root's key follows from a published sentence: so
 * test proxies trust each other with nothing to share, and so does everybody who can read.
 */
export async function createTestCa({ ttlSeconds }: { readonly ttlSeconds: number }): Promise<CertificateSource> {
  const root = await selfSignedRoot({ organization: 'culvert test', ttlSeconds: 10 * 86_400, key: testRootKey() })
  const authority = await createCertificateAuthority({ signingCertificate: root.certificate, signingKey: root.key })
  return {
    close: () => undefined,
    fetch: async identity => {
      const { csr, privateKey } = await createCsr(identity)
      const chain = await authority.sign({ csr, sans: [identity], ttlSeconds })
      return readCertificateChain(chain, identity, privateKey, identity)
    }
  }
}

/** PEM, P-256. */
function testRootKey(): string {
  const secret = createHash('sha256').update('culvert test root, known to everybody').digest()
  const pair = createECDH('prime256v1')
  pair.setPrivateKey(secret)
  const point = pair.getPublicKey()
  const base64 = (bytes: Buffer): string => bytes.toString('base64url')
  const [x, y, d] = [point.subarray(1, 33), point.subarray(33), secret].map(base64)
  return createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x, y, d } as never })
    .export({ type: 'sec1', format: 'pem' })
    .toString()
}

import 'reflect-metadata'
import { KeyObject, subtle, type webcrypto } from 'node:crypto'
import { parseSpiffeId } from '@culvert/spiffe'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate
} from '@peculiar/x509'
import type { Credential } from '../credential.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const HOUR = 3_600_000

export interface LeafOptions {
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly keyUsages?: readonly ('client' | 'server')[]
}

/** A certificate authority for tests. */
export interface TestAuthority {
  readonly rootPem: string
  /** A leaf whose URI SANs are `identities`. */
  issue: (identities: string | readonly string[], options?: LeafOptions) => Promise<Credential>
}

let serial = 0

export async function createTestAuthority(): Promise<TestAuthority> {
  const keys = await generateKeys()
  const serialNumber = nextSerial()
  const root = await X509CertificateGenerator.createSelfSigned({
    // Names of their own: a verifier that finds a root by name would judge a stranger's signature instead of its issuer.
    name: `O=test root ${serialNumber}`,
    serialNumber,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - HOUR),
    notAfter: new Date(Date.now() + HOUR),
    extensions: [new BasicConstraintsExtension(true, undefined, true)]
  })
  const rootPem = root.toString('pem')
  return {
    rootPem,
    async issue(identities, options = {}) {
      const ids = typeof identities === 'string' ? [identities] : identities
      const { certificate, privateKey } = await issueLeaf(root, keys, ids, options)
      return {
        id: certificate.serialNumber,
        certificateChain: certificate.toString('pem'),
        privateKey,
        roots: rootPem,
        trustDomain: parseSpiffeId(ids[0] ?? '')?.trustDomain
      }
    }
  }
}

async function issueLeaf(
  root: X509Certificate,
  rootKeys: webcrypto.CryptoKeyPair,
  identities: readonly string[],
  { notBefore, notAfter, keyUsages = ['client', 'server'] }: LeafOptions
): Promise<{ certificate: X509Certificate; privateKey: string }> {
  const keys = await generateKeys()
  const usages = { client: ExtendedKeyUsage.clientAuth, server: ExtendedKeyUsage.serverAuth }
  const certificate = await X509CertificateGenerator.create({
    issuer: root.subject,
    serialNumber: nextSerial(),
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    notBefore: notBefore ?? new Date(Date.now() - HOUR),
    notAfter: notAfter ?? new Date(Date.now() + HOUR),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new ExtendedKeyUsageExtension(keyUsages.map(usage => usages[usage])),
      new SubjectAlternativeNameExtension(
        identities.map(value => ({ type: 'url' as const, value })),
        true
      )
    ]
  })
  const privateKey = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }) as string
  return { certificate, privateKey }
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
}

function nextSerial(): string {
  serial++
  return `01${serial.toString(16).padStart(8, '0')}`
}

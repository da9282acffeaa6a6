import 'reflect-metadata'
import { KeyObject, subtle, type webcrypto } from 'node:crypto'
import { parseSpiffeId } from '@culvert/spiffe'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  X509CrlGenerator,
  type X509Certificate
} from '@peculiar/x509'
import type { Credential } from '../credential.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000

export interface LeafOptions {
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly keyUsages?: readonly ('client' | 'server')[]
  /** A leaf that says it may sign. */
  readonly authority?: boolean
  /** Bytes in an extension that nobody knows, not critical. */
  readonly padding?: number
}

/** A certificate authority for tests. */
export interface TestAuthority {
  readonly rootPem: string
  readonly certificatePem: string
  /** A leaf whose URI SANs are `identities`. */
  issue: (identities: string | readonly string[], options?: LeafOptions) => Promise<Credential>
  /** Serial number of its own certificate. */
  readonly id: string
  /** An authority under this one. */
  intermediate: (usages?: KeyUsageFlags) => Promise<TestAuthority>
  /** DER. Credentials and authorities that this one signed are named by their serial numbers. */
  revocationList: (revoked: readonly { readonly id: string }[]) => Promise<Uint8Array>
}

let serial = 0

export async function createTestAuthority({ notAfter }: { readonly notAfter?: Date } = {}): Promise<TestAuthority> {
  const keys = await generateKeys()
  const serialNumber = nextSerial()
  const root = await X509CertificateGenerator.createSelfSigned({
    // Names of their own: a verifier that finds a root by name would judge a stranger's signature instead of its issuer.
    name: `O=test root ${serialNumber}`,
    serialNumber,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - DAY),
    notAfter: notAfter ?? new Date(Date.now() + DAY),
    extensions: [new BasicConstraintsExtension(true, undefined, true)]
  })
  return authorityOf(root, keys, { rootPem: root.toString('pem'), intermediates: [] })
}

function authorityOf(
  certificate: X509Certificate,
  keys: webcrypto.CryptoKeyPair,
  { rootPem, intermediates }: { readonly rootPem: string; readonly intermediates: readonly string[] }
): TestAuthority {
  return {
    rootPem,
    certificatePem: certificate.toString('pem'),
    id: certificate.serialNumber,
    async issue(identities, options = {}) {
      const ids = typeof identities === 'string' ? [identities] : identities
      const leaf = await issueLeaf(certificate, keys, ids, options)
      return {
        id: leaf.certificate.serialNumber,
        certificateChain: [leaf.certificate.toString('pem'), ...intermediates].join('\n'),
        privateKey: leaf.privateKey,
        roots: rootPem,
        trustDomain: parseSpiffeId(ids[0] ?? '')?.trustDomain
      }
    },
    async intermediate(usages = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign) {
      const below = await generateKeys()
      const serialNumber = nextSerial()
      const made = await X509CertificateGenerator.create({
        subject: `O=test intermediate ${serialNumber}`,
        issuer: certificate.subject,
        serialNumber,
        publicKey: below.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        notBefore: new Date(Date.now() - DAY),
        notAfter: new Date(Date.now() + DAY),
        extensions: [new BasicConstraintsExtension(true, undefined, true), new KeyUsagesExtension(usages, true)]
      })
      return authorityOf(made, below, { rootPem, intermediates: [made.toString('pem'), ...intermediates] })
    },
    async revocationList(revoked) {
      const list = await X509CrlGenerator.create({
        issuer: certificate.subject,
        thisUpdate: new Date(Date.now() - 2 * DAY),
        // Past: a list speaks for its issuer however old it is.
        nextUpdate: new Date(Date.now() - DAY),
        entries: revoked.map(({ id }) => ({ serialNumber: id, revocationDate: new Date(Date.now() - DAY) })),
        signingAlgorithm: ALGORITHM,
        signingKey: keys.privateKey
      })
      return new Uint8Array(list.rawData)
    }
  }
}

async function issueLeaf(
  root: X509Certificate,
  rootKeys: webcrypto.CryptoKeyPair,
  identities: readonly string[],
  { notBefore, notAfter, keyUsages = ['client', 'server'], authority = false, padding }: LeafOptions
): Promise<{ certificate: X509Certificate; privateKey: string }> {
  const keys = await generateKeys()
  const usages = { client: ExtendedKeyUsage.clientAuth, server: ExtendedKeyUsage.serverAuth }
  const certificate = await X509CertificateGenerator.create({
    issuer: root.subject,
    serialNumber: nextSerial(),
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    notBefore: notBefore ?? new Date(Date.now() - DAY),
    notAfter: notAfter ?? new Date(Date.now() + DAY),
    extensions: [
      new BasicConstraintsExtension(authority, undefined, true),
      new ExtendedKeyUsageExtension(keyUsages.map(usage => usages[usage])),
      new SubjectAlternativeNameExtension(
        identities.map(value => ({ type: 'url' as const, value })),
        true
      ),
      ...(padding === undefined ? [] : [new Extension('1.3.6.1.4.1.55555.1', false, new Uint8Array(padding))])
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

import 'reflect-metadata'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set(globalThis.crypto)

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
/** Certificates begin a little in the past: the clocks of a cluster's programs need not agree to the second. */
const backdateMs = 60_000
const lifetimeMs = 365 * 24 * 3600 * 1000

export interface KeyAndCertificate {
  /** PEM, PKCS#8. */
  readonly privateKey: string
  /** PEM. */
  readonly certificate: string
}

/** The cluster's certificate authority: signs the server's certificate and those of clients. */
export interface ClusterAuthority {
  readonly certificate: string
  issueServer(names: readonly string[]): Promise<KeyAndCertificate>
  issueClient(user: string, groups: readonly string[]): Promise<KeyAndCertificate>
}

export async function createClusterAuthority(): Promise<ClusterAuthority> {
  const keys = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ['kubernetes'] }],
    keys,
    signingAlgorithm: algorithm,
    ...validity(),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)
    ]
  })

  async function issue(subject: x509.JsonName, extensions: x509.Extension[]): Promise<KeyAndCertificate> {
    const own = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const certificate = await x509.X509CertificateGenerator.create({
      subject,
      issuer: root.subjectName,
      publicKey: own.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      ...validity(),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ...extensions
      ]
    })
    const exported = await crypto.subtle.exportKey('pkcs8', own.privateKey)
    return {
      privateKey: x509.PemConverter.encode(exported, 'PRIVATE KEY'),
      certificate: certificate.toString('pem')
    }
  }

  return {
    certificate: root.toString('pem'),
    issueServer: names =>
      issue(
        [{ CN: ['kube-apiserver'] }],
        [
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          new x509.SubjectAlternativeNameExtension(
            names.map(value => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }) as const)
          )
        ]
      ),
    issueClient: (user, groups) =>
      issue(
        [...groups.map(group => ({ O: [group] })), { CN: [user] }],
        [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]
      )
  }
}

function validity(): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - backdateMs), notAfter: new Date(now + lifetimeMs) }
}

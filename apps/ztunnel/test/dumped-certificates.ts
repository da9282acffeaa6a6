import type { TestNode } from './node.ts'

export interface DumpedCertificate {
  readonly serialNumber: string
  readonly pem: string
}

/** Of /config_dump (docs/spec/identity-ca.md 4.9). */
export interface DumpedIdentity {
  readonly identity: string
  readonly state: string
  readonly certChain: readonly DumpedCertificate[]
  readonly rootCerts: readonly DumpedCertificate[]
}

export async function dumpedIdentities(node: TestNode): Promise<readonly DumpedIdentity[]> {
  const { certificates } = JSON.parse((await node.http(15000, '/config_dump')).body) as {
    readonly certificates: readonly DumpedIdentity[]
  }
  return certificates
}

export async function dumpedIdentity(node: TestNode, account: string): Promise<DumpedIdentity | undefined> {
  return (await dumpedIdentities(node)).find(({ identity }) => identity.endsWith(`/${account}`))
}

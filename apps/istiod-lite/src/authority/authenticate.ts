import type { X509Certificate } from 'node:crypto'
import type { Metadata } from '@grpc/grpc-js'
import { parseSpiffeId } from '@culvert/spiffe'
import type { Caller } from './caller.ts'
import { subjectAltNames } from './subject-alt-names.ts'
import type { TokenAuthenticator } from './token-authenticator.ts'

export interface Credentials {
  /** Verified against istiod's roots by the TLS layer. */
  readonly certificate: X509Certificate | undefined
  readonly metadata: Metadata
}

export type Authentication =
  | { readonly accepted: true; readonly caller: Caller }
  | { readonly accepted: false; readonly reason: string }

const prefix = 'Bearer '

function bearerToken(metadata: Metadata): string | undefined {
  const header = metadata.get('authorization').find(value => typeof value === 'string' && value.startsWith(prefix))
  return typeof header === 'string' ? header.slice(prefix.length).trim() : undefined
}

/** The one value of `clusterid`; several count as none. */
export function clusterIdOf(metadata: Metadata): string {
  const values = metadata.get('clusterid')
  return values.length === 1 ? String(values[0]) : ''
}

function certificateCaller(certificate: X509Certificate): Caller | undefined {
  const identities = subjectAltNames(certificate)
  if (identities.length === 0) return undefined
  const id = identities.map(parseSpiffeId).find(parsed => parsed !== undefined)
  // Such a caller has no pod, so it can never ask for another's certificate.
  return { identities, namespace: id?.namespace ?? '', serviceAccount: id?.serviceAccount ?? '', pod: undefined }
}

/** Authenticators in their order; the first that vouches decides (docs/spec/identity-ca.md 3.2). */
export async function authenticate(
  { certificate, metadata }: Credentials,
  tokens: TokenAuthenticator | undefined
): Promise<Authentication> {
  const byCertificate = certificate && certificateCaller(certificate)
  if (byCertificate !== undefined) return { accepted: true, caller: byCertificate }
  const token = bearerToken(metadata)
  if (token === undefined || token === '')
    return { accepted: false, reason: 'no client certificate and no bearer token' }
  if (tokens === undefined) return { accepted: false, reason: 'a bearer token, but no API server to review it' }
  try {
    return { accepted: true, caller: await tokens(token, clusterIdOf(metadata)) }
  } catch (error) {
    return { accepted: false, reason: error instanceof Error ? error.message : String(error) }
  }
}

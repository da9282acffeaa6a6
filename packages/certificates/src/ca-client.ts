import { existsSync, readFileSync } from 'node:fs'
import { checkServerIdentity, createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { createCsr, parseCertificates, pemBlocks } from '@culvert/spiffe'
import { type CertificateResponseMessage, createCertificateMethod } from './certificate-service.ts'
import { CertificateError } from './errors.ts'
import { readCertificateChain, type WorkloadCertificate } from './workload-certificate.ts'

/** docs/spec/identity-ca.md 4.1; every value as the environment gives it. */
export interface CaClientOptions {
  /** `https://host:port`. */
  readonly address: string
  /** A path, `SYSTEM`, or PEM text. A file is read for every request; while it cannot be used, what it last held counts. */
  readonly rootCa: string
  /** A second name the server's certificate may have. */
  readonly altHostname?: string | undefined
  /** An existing path (read for every request) or a literal token; undefined sends no `authorization` and no `clusterid`. */
  readonly token?: string | undefined
  readonly clusterId: string
  readonly headers?: Readonly<Record<string, string>>
  /** Wanted lifetime. */
  readonly ttlSeconds: number
  /** Shared mode: ask on behalf of workloads and check whom the answer names. */
  readonly impersonate: boolean
  readonly tls12?: boolean
}

export interface CaClient {
  /** @throws CertificateError CERTIFICATE_SIGNING, CERTIFICATE_RESPONSE, CERTIFICATE_CONFIG */
  fetch: (identity: string) => Promise<WorkloadCertificate>
  close: () => void
}

export function createCaClient(options: CaClientOptions): CaClient {
  const host = parseAddress(options.address)
  let channel: { readonly roots: string; readonly client: Client } | undefined

  /** One channel per content of the root file; while that cannot be used, the channel of the last one that could. */
  function connection(): Client {
    try {
      const roots = readRoots(options.rootCa)
      if (channel?.roots === roots) return channel.client
      const client = openChannel(host, roots, options)
      channel?.client.close()
      channel = { roots, client }
    } catch (error) {
      if (channel === undefined) throw error
    }
    return channel.client
  }

  return {
    fetch: async identity => {
      const { csr, privateKey } = await createCsr(identity)
      const metadata = requestHeaders(options)
      const request = {
        csr,
        validitySeconds: options.ttlSeconds,
        impersonatedIdentity: options.impersonate ? identity : undefined
      }
      const { certChain } = await call(connection(), request, metadata)
      return readCertificateChain(certChain, identity, privateKey, options.impersonate ? identity : undefined)
    },
    close: () => channel?.client.close()
  }
}

function openChannel(host: string, roots: string, { altHostname, tls12 = false }: CaClientOptions): Client {
  const context = secureContext(roots, tls12)
  const channelCredentials = credentials.createFromSecureContext(context, {
    checkServerIdentity: (name, certificate) => {
      const mismatch = checkServerIdentity(name, certificate)
      return mismatch && altHostname !== undefined ? checkServerIdentity(altHostname, certificate) : mismatch
    }
  })
  return new Client(host, channelCredentials, {
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    // A failed call reconnects at the manager's pace, not at one of its own.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000
  })
}

function secureContext(roots: string, tls12: boolean): SecureContext {
  try {
    // Node takes an unreadable root for none in silence, and every handshake would fail for that.
    const certificates = pemBlocks(roots).filter(({ label }) => label === 'CERTIFICATE')
    const ca = parseCertificates(certificates.map(({ pem }) => pem).join('')).map(String)
    if (ca.length === 0) throw new Error('there is no certificate')
    return createSecureContext({ ca, minVersion: tls12 ? 'TLSv1.2' : 'TLSv1.3', maxVersion: 'TLSv1.3' })
  } catch (cause) {
    throw new CertificateError('CERTIFICATE_CONFIG', `root certificates: ${(cause as Error).message}`, { cause })
  }
}

function call(
  client: Client,
  request: Parameters<typeof createCertificateMethod.requestSerialize>[0],
  metadata: Metadata
): Promise<CertificateResponseMessage> {
  const { path, requestSerialize, responseDeserialize } = createCertificateMethod
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, response) => {
      if (error) reject(signingError(error))
      else resolve(response!)
    })
  })
}

const signingError = (error: ServiceError): CertificateError =>
  new CertificateError('CERTIFICATE_SIGNING', `signing gRPC error (${status[error.code]}): ${error.details}`, {
    cause: error
  })

function requestHeaders({ headers = {}, token, clusterId }: CaClientOptions): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  if (token === undefined) return metadata
  metadata.set('authorization', `Bearer ${readToken(token)}`)
  metadata.set('clusterid', clusterId)
  return metadata
}

function readToken(token: string): string {
  const text = existsSync(token) ? readFile(token, 'token') : token
  if (text === '') throw new CertificateError('CERTIFICATE_CONFIG', `token file ${token} is empty`)
  // A trailing newline would make the header invalid and the request fail with a message that shows the token.
  if (/[^\x20-\x7e]/.test(text)) {
    throw new CertificateError(
      'CERTIFICATE_CONFIG',
      `token ${existsSync(token) ? `file ${token} ` : ''}holds characters that no HTTP header may have`
    )
  }
  return text
}

function readRoots(rootCa: string): string {
  if (rootCa === 'SYSTEM') return getCACertificates('system').join('\n')
  return rootCa.includes('-----BEGIN') ? rootCa : readFile(rootCa, 'root certificate')
}

function readFile(path: string, role: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CertificateError('CERTIFICATE_CONFIG', `cannot read ${role} file ${path}: ${(cause as Error).message}`, {
      cause
    })
  }
}

/** @throws CertificateError CERTIFICATE_CONFIG unless it is `https://host:port` (a missing scheme is added). */
function parseAddress(address: string): string {
  const text = address.includes('://') ? address : `https://${address}`
  if (!URL.canParse(text) || !text.startsWith('https://')) {
    throw new CertificateError('CERTIFICATE_CONFIG', `CA address '${address}' is no https://host:port`)
  }
  const { host, port } = new URL(text)
  return port === '' ? `${host}:443` : host
}

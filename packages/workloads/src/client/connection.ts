import { X509Certificate } from 'node:crypto'
import { checkServerIdentity, createSecureContext, getCACertificates } from 'node:tls'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { WorkloadsError } from '../errors.ts'

export interface ConnectionSettings {
  /** `https://host:port`; `https://` may be left out. */
  readonly address: string
  /** PEM; read again for every connection. Undefined: the system's. */
  readonly roots: () => Promise<string | undefined>
  /** Bearer token, read again for every connection. Absent: neither `authorization` nor `clusterid` is sent. */
  readonly token?: () => Promise<string>
  readonly clusterId: string
  /** ALT_XDS_HOSTNAME: accepted when the certificate does not name the host of the address. */
  readonly alternativeHostname?: string | undefined
  readonly headers?: readonly (readonly [name: string, value: string])[]
  /** TLS12_ENABLED: TLS 1.2 beside 1.3. */
  readonly tls12?: boolean
}

/** docs/spec/workload-xds.md 1.1. */
const channelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_receive_message_length': 200 * 1024 * 1024,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // Each connection starts afresh; the shared pool would remember the failures of earlier ones.
  'grpc.use_local_subchannel_pool': 1
}

/** `host:port` of a discovery address; throws for one that is not reachable over TLS. */
export function discoveryTarget(address: string): string {
  const url = URL.parse(address.includes('://') ? address : `https://${address}`)
  const wrong = `XDS address ${JSON.stringify(address)} must be https://host:port`
  if (url === null || url.hostname === '') throw new WorkloadsError('WORKLOADS_DISCOVERY_SETUP', wrong)
  if (url.protocol !== 'https:') throw new WorkloadsError('WORKLOADS_DISCOVERY_SETUP', `${wrong}, not ${url.protocol}`)
  return `${url.hostname}:${url.port === '' ? 443 : url.port}`
}

export async function openConnection(settings: ConnectionSettings): Promise<{ client: Client; metadata: Metadata }> {
  const given = await settings.roots()
  if (given !== undefined) checkRoots(given)
  // A list even where the system has none: for an empty text Node would take the roots that it brings along.
  const roots = given ?? getCACertificates('system')
  const metadata = await requestMetadata(settings)
  const { alternativeHostname, tls12 = false } = settings
  const context = createSecureContext({ ca: roots, minVersion: tls12 ? 'TLSv1.2' : 'TLSv1.3' })
  const tls = credentials.createFromSecureContext(context, {
    checkServerIdentity(host, certificate) {
      const error = checkServerIdentity(host, certificate)
      if (error === undefined || alternativeHostname === undefined) return error
      return checkServerIdentity(alternativeHostname, certificate) === undefined ? undefined : error
    }
  })
  return { client: new Client(discoveryTarget(settings.address), tls, channelOptions), metadata }
}

/** Node takes what it cannot read for no roots, and every handshake would fail as if the server's certificate were wrong. */
function checkRoots(pem: string): void {
  try {
    new X509Certificate(pem)
  } catch (cause) {
    const message = 'the XDS roots hold no certificate that can be read, as PEM'
    throw new WorkloadsError('WORKLOADS_DISCOVERY_SETUP', message, { cause })
  }
}

async function requestMetadata({ token, clusterId, headers }: ConnectionSettings): Promise<Metadata> {
  const metadata = new Metadata()
  for (const [name, value] of headers ?? []) metadata.add(name, value)
  if (token !== undefined) {
    metadata.set('authorization', `Bearer ${await token()}`)
    metadata.set('clusterid', clusterId)
  }
  return metadata
}

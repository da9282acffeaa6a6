import type { OutgoingHttpHeaders } from 'node:http2'
import { type ConnectionOptions, checkServerIdentity, getCACertificates } from 'node:tls'
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
}

/** What a connection is opened with. */
export interface Connection {
  readonly url: string
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  readonly tls: Pick<ConnectionOptions, 'ca' | 'checkServerIdentity'>
}

/** `host:port` of a discovery address; throws for one that is not reachable over TLS. */
export function discoveryTarget(address: string): string {
  const url = URL.parse(address.includes('://') ? address : `https://${address}`)
  const wrong = `XDS address ${JSON.stringify(address)} must be https://host:port`
  if (url === null || url.hostname === '') throw new WorkloadsError('WORKLOADS_DISCOVERY_SETUP', wrong)
  if (url.protocol !== 'https:') throw new WorkloadsError('WORKLOADS_DISCOVERY_SETUP', `${wrong}, not ${url.protocol}`)
  return `${url.hostname}:${url.port === '' ? 443 : url.port}`
}

export async function prepareConnection(settings: ConnectionSettings, path: string): Promise<Connection> {
  const { alternativeHostname } = settings
  return {
    url: `https://${discoveryTarget(settings.address)}`,
    path,
    headers: await requestHeaders(settings),
    tls: {
      ca: (await settings.roots()) ?? getCACertificates('system'),
      checkServerIdentity(host, certificate) {
        const error = checkServerIdentity(host, certificate)
        if (error === undefined || alternativeHostname === undefined) return error
        return checkServerIdentity(alternativeHostname, certificate) === undefined ? undefined : error
      }
    }
  }
}

async function requestHeaders({ token, clusterId, headers = [] }: ConnectionSettings): Promise<OutgoingHttpHeaders> {
  const all: Record<string, string[]> = {}
  for (const [name, value] of headers) {
    const key = name.toLowerCase()
    all[key] = [...(all[key] ?? []), value]
  }
  if (token === undefined) return all
  return { ...all, authorization: `Bearer ${await token()}`, clusterid: clusterId }
}

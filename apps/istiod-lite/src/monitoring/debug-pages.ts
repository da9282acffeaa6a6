import type { Connection } from '../discovery/discovery-service.ts'
import type { Published } from '../inventory/published.ts'
import { ipText } from '../resources/ip-address.ts'
import type { HttpAnswer } from '../servers/http-endpoint.ts'

export interface DebugSources {
  readonly published: Published
  readonly connections: () => Iterable<Connection>
  readonly mesh: () => unknown
  readonly push: () => number
}

const names = ['adsz', 'ambientz', 'config_dump', 'connections', 'list', 'mesh', 'syncz']

/** Addresses as text and empty fields left out. */
function plain(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? ipText(value) : value
}

function json(value: unknown, query: URLSearchParams): HttpAnswer {
  const body = `${JSON.stringify(value, plain, query.has('pretty') ? 2 : undefined)}\n`
  return { status: 200, contentType: 'application/json', body }
}

function syncz({ node, stream }: Connection): unknown {
  const resources: Record<string, unknown> = {}
  for (const [url, subscription] of stream.subscriptions) {
    const { sentNonce, ackedNonce, sentAt, lastError } = subscription
    resources[url] = {
      ...(sentNonce === '' ? {} : { sent: sentNonce }),
      ...(ackedNonce === '' ? {} : { acked: ackedNonce }),
      ...(sentAt === 0 ? {} : { sentTime: new Date(sentAt).toISOString() }),
      ...(lastError === undefined ? {} : { lastError })
    }
  }
  return {
    cluster_id: node.clusterId,
    proxy: node.proxyId,
    proxy_type: node.type,
    ...(node.istioVersion === undefined ? {} : { istio_version: node.istioVersion }),
    resources
  }
}

const summary = ({ id, connectedAt, address }: Connection): Record<string, unknown> => ({
  connectionId: id,
  connectedAt: new Date(connectedAt).toISOString(),
  address
})

function configDump({ published, connections }: DebugSources, query: URLSearchParams): HttpAnswer {
  const proxy = query.get('proxyID')
  if (!proxy) return { status: 400, body: 'You must provide a proxyID in the query string\n' }
  const found = [...connections()].find(({ id }) => id.includes(proxy))
  if (found === undefined) {
    return {
      status: 404,
      body: 'Proxy not connected to this Pilot instance. It may be connected to another instance.\n'
    }
  }
  const type = 'type.googleapis.com/istio.workload.Address'
  return json({ configs: [...published.addresses()].map(({ message }) => ({ '@type': type, ...message })) }, query)
}

/** The pages under `/debug/` that matter for ambient (docs/spec/observability-dns.md section 9). */
export function debugPage(name: string, query: URLSearchParams, sources: DebugSources): HttpAnswer | undefined {
  const { published } = sources
  const connections = [...sources.connections()]
  switch (name) {
    case '':
      return {
        status: 200,
        contentType: 'text/html; charset=utf-8',
        body: `<html><body><ul>${names.map(page => `<li><a href="/debug/${page}">${page}</a></li>`).join('')}</ul></body></html>\n`
      }
    case 'list':
      return json(names, query)
    case 'syncz': {
      const namespace = query.get('namespace')
      const chosen = connections.filter(({ node }) => !namespace || node.proxyId.endsWith(`.${namespace}`))
      return json(chosen.map(syncz), query)
    }
    case 'connections':
      return json({ totalClients: connections.length, clients: connections.map(summary) }, query)
    case 'adsz': {
      if (query.get('push') === 'true') return { status: 200, body: `Pushed to ${sources.push()} servers\n` }
      const clients = connections.map(connection => ({
        ...summary(connection),
        metadata: connection.node.metadata,
        watches: Object.fromEntries([...connection.stream.subscriptions].map(([url, { names }]) => [url, [...names]]))
      }))
      return json({ totalClients: clients.length, clients }, query)
    }
    case 'ambientz': {
      const all = [...published.addresses()].map(({ message }) => message)
      const page = {
        workloads: all.flatMap(({ workload }) => workload ?? []),
        services: all.flatMap(({ service }) => service ?? []),
        policies: [...published.policies()].map(({ message }) => message)
      }
      return json(page, query)
    }
    case 'config_dump':
      return configDump(sources, query)
    case 'mesh':
      return json(sources.mesh(), query)
    default:
      return undefined
  }
}

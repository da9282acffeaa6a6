import type { HttpRequest, HttpResponse } from '@culvert/telemetry'
import { parseSpiffeId } from '@culvert/spiffe'
import { canonicalIp, type Workload } from '@culvert/workloads'
import { endpointText } from '../routing/index.ts'
import { type ExplainContext, explainInbound, explainOutbound, explainUncaptured, isCaptured } from './explain.ts'
import type { RecentConnection, RecentConnections } from './recent-connections.ts'

/** A question that cannot be answered, with what would be right. */
class BadQuery extends Error {
  readonly status: 400 | 404

  constructor(message: string, status: 400 | 404 = 400) {
    super(message)
    this.status = status
  }
}

const usage =
  'ask with source (address, or uid of a workload), destination (address, or hostname of a service) and port; ' +
  'or with connection (number of a finished one); or with recent, for the list of those'

/** `/culvert/explain?source=…&destination=…&port=…`, `?connection=…`, `?recent`. */
export async function explainResponse(
  { query }: Pick<HttpRequest, 'query'>,
  context: ExplainContext,
  recent: RecentConnections
): Promise<HttpResponse> {
  try {
    return json(200, await answer(query, context, recent))
  } catch (error) {
    if (!(error instanceof BadQuery)) throw error
    return json(error.status, { error: error.message })
  }
}

const json = (status: number, value: unknown): HttpResponse => ({
  status,
  contentType: 'application/json',
  body: `${JSON.stringify(value, undefined, 2)}\n`
})

async function answer(query: URLSearchParams, context: ExplainContext, recent: RecentConnections): Promise<unknown> {
  const known = ['source', 'destination', 'port', 'connection', 'recent']
  const stray = [...query.keys()].find(name => !known.includes(name))
  if (stray !== undefined) throw new BadQuery(`unknown parameter ${JSON.stringify(stray)}: ${usage}`)
  if (query.has('recent')) return recent.all()
  const number = query.get('connection')
  if (number !== null) return await explainFinished(context, finished(recent, number))
  const { workload: source, ip: sourceIp } = sourceOf(context, required(query, 'source'))
  const port = portOf(required(query, 'port'))
  const asked = required(query, 'destination')
  if (source !== undefined && isCaptured(source)) {
    const destination = { ip: destinationOf(context, asked, source), port }
    return await explainOutbound(context, { source, sourceIp, destination })
  }
  const destination = { ip: addressOf(context, asked, source), port }
  return await explainUncaptured(context, { source, sourceIp, destination })
}

function required(query: URLSearchParams, name: string): string {
  const value = query.get(name)
  if (value === null || value === '') throw new BadQuery(`${name} is missing: ${usage}`)
  return value
}

/** Without a workload: an address from outside the mesh. */
function sourceOf(
  { routing }: ExplainContext,
  text: string
): { readonly workload: Workload | undefined; readonly ip: string } {
  const { index, network } = routing
  const ip = canonicalIp(text)
  const workload = ip === undefined ? index.workload(text) : index.workloadByIp(network, ip)
  if (workload === undefined && ip === undefined)
    throw new BadQuery(`source ${JSON.stringify(text)} is neither an address nor the uid of a workload known here`)
  return { workload, ip: ip ?? workload?.workloadIps[0] ?? '' }
}

const unknownDestination = (text: string): BadQuery =>
  new BadQuery(`destination ${JSON.stringify(text)} is neither an address nor the hostname of a visible service`)

/** Whoever is not captured reaches services through something that is not asked here. */
function addressOf({ routing }: ExplainContext, text: string, source: Workload | undefined): string {
  const { index, network } = routing
  const ip = canonicalIp(text)
  const namespace = source?.namespace
  const service =
    ip === undefined ? index.serviceByHostname(text, namespace) : index.serviceByVip(network, ip, namespace)
  if (ip !== undefined && service === undefined) return ip
  if (service === undefined) throw unknownDestination(text)
  const endpoints = [...index.endpointsOf(service)].flatMap(({ workload }) => workload.workloadIps).slice(0, 3)
  throw new BadQuery(
    `destination ${JSON.stringify(text)} is a service, and no proxy balances for a source outside the mesh: ` +
      `ask with the address of an endpoint, such as ${endpoints.join(', ') || 'none, as there is none'}`
  )
}

function destinationOf({ routing }: ExplainContext, text: string, source: Workload): string {
  const ip = canonicalIp(text)
  if (ip !== undefined) return ip
  const service = routing.index.serviceByHostname(text, source.namespace)
  if (service === undefined) throw unknownDestination(text)
  const vip = service.vips.find(({ network }) => network === source.network) ?? service.vips[0]
  if (vip === undefined)
    throw new BadQuery(`destination ${JSON.stringify(text)} has no address of its own: ask with one of an endpoint`)
  return vip.ip
}

function portOf(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new BadQuery(`port ${JSON.stringify(text)} is not a number from 1 to 65535`)
  return port
}

function finished(recent: RecentConnections, text: string): RecentConnection {
  const connection = /^[0-9]{1,15}$/.test(text) ? recent.get(Number(text)) : undefined
  if (connection !== undefined) return connection
  const [first, last] = [recent.all()[0], recent.all().at(-1)]
  const there = first && last ? `those from ${first.number} to ${last.number} are` : 'there are none yet'
  throw new BadQuery(`connection ${JSON.stringify(text)} is not among the recent ones; ${there}`, 404)
}

/** What happened, and the steps that the same connection would take with what is known now. */
async function explainFinished(context: ExplainContext, connection: RecentConnection): Promise<unknown> {
  const { direction, source, destination, requested = destination, authority, peerIdentity } = connection
  const { index, network } = context.routing
  const happened = {
    ...connection,
    source: endpointText(source),
    destination: endpointText(destination),
    ...(connection.requested && { requested: endpointText(connection.requested) })
  }
  const owner = index.workloadByIp(network, direction === 'outbound' ? source.ip : destination.ip)
  if (owner === undefined) return { happened, now: null, why: 'its workload is not known any more' }
  const now =
    direction === 'outbound'
      ? await explainOutbound(context, { source: owner, sourceIp: source.ip, destination: requested })
      : await explainInbound(context, {
          local: owner,
          localIp: destination.ip,
          sourceIp: source.ip,
          target: authority ?? destination,
          identity: peerIdentity === undefined ? undefined : parseSpiffeId(peerIdentity)
        })
  return { happened, now }
}

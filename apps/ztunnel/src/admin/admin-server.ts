import {
  createHttpServer,
  type HttpHandler,
  type HttpRequest,
  type HttpResponse,
  type HttpServer,
  type Log,
  loggingResponse,
  type Metrics,
  metricsResponse,
  type Readiness,
  readinessResponse
} from '@culvert/telemetry'
import { profileResponse } from '../profiling/profile-responses.ts'
import type { ZtunnelProfiler } from '../profiling/profiler.ts'
import type { Settings } from '../settings/settings.ts'
import { sortedJsonPieces } from './sorted-json.ts'

export interface AdminParts {
  readonly settings: Settings
  readonly log: Log
  readonly metrics: Metrics
  readonly readiness: Readiness
  readonly configDump: () => Promise<unknown>
  readonly explain: (request: HttpRequest) => Promise<HttpResponse>
  readonly profiler: ZtunnelProfiler
  readonly shutDown: () => void
}

/** Admin, metrics and readiness servers: docs/spec/observability-dns.md sections 1, 5.1, 6, 7. */
export function createAdminServers(parts: AdminParts): readonly HttpServer[] {
  const { settings, log, metrics, readiness } = parts
  const { ipv6 } = settings.sockets
  const scope = log.scope('ztunnel::hyper_util')
  const wildcard = ipv6 ? '::' : '0.0.0.0'
  const server = (component: string, hosts: readonly string[], port: number, handle: HttpHandler): HttpServer =>
    createHttpServer({ component, addresses: hosts.map(host => ({ host, port })), log: scope, handle })

  return [
    server('admin', ipv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'], settings.ports.admin, adminHandler(parts)),
    server('stats', [wildcard], settings.ports.stats, request =>
      ['/metrics', '/stats/prometheus'].includes(request.path) ? metricsResponse(request, metrics) : undefined
    ),
    server('readiness', [wildcard], settings.ports.readiness, request =>
      request.path === '/healthz/ready' ? readinessResponse(request, readiness) : undefined
    )
  ]
}

const paths: readonly (readonly [path: string, what: string])[] = [
  ['/config_dump', 'what this proxy knows and does'],
  ['/culvert/explain?recent', 'why connections go where they go'],
  ['/debug/pprof/profile', 'CPU profile of the thread that decides (?seconds=10&frequency=100)'],
  ['/debug/pprof/heap', 'heap profile, once activated'],
  ['/debug/pprof/heap/profiling', 'heap profiling (?activate=true|false)'],
  ['/logging', 'log levels (POST)'],
  ['/quitquitquit', 'graceful shutdown (POST)']
]

function adminHandler(parts: AdminParts): HttpHandler {
  return async request => {
    switch (request.path) {
      case '/':
        return { status: 200, contentType: 'text/html; charset=utf-8', body: dashboard() }
      case '/config_dump':
        return { status: 200, contentType: 'application/json', pieces: sortedJsonPieces(await parts.configDump()) }
      case '/culvert/explain':
        return await parts.explain(request)
      case '/logging':
        return loggingResponse(request, parts.log, parts.settings.log.filter)
      case '/quitquitquit':
        return quit(request, parts.shutDown)
      default:
        return await profileResponse(request, parts.profiler)
    }
  }
}

function quit(request: HttpRequest, shutDown: () => void): HttpResponse {
  if (request.method !== 'POST') return { status: 405 }
  // After the answer is on its way: the servers stop accepting at once.
  setImmediate(shutDown)
  return { status: 200, contentType: 'text/plain', body: 'shutdown now\n' }
}

function dashboard(): string {
  const rows = paths.map(([path, what]) => `<tr><td><a href="${path}">${path}</a></td><td>${what}</td></tr>`)
  return `<!doctype html>\n<title>ztunnel</title>\n<table>\n${rows.join('\n')}\n</table>\n`
}

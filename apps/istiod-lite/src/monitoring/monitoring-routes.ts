import { Metadata } from '@grpc/grpc-js'
import type { Authentication } from '../authority/authenticate.ts'
import type { HttpAnswer, HttpCall, HttpRoute } from '../servers/http-endpoint.ts'
import { type DebugSources, debugPage } from './debug-pages.ts'

export interface MonitoringOptions {
  readonly ready: () => boolean
  readonly version: string
  readonly renderMetrics: () => string
  readonly metricsLocalOnly: boolean
  readonly debug: DebugSources | undefined
  readonly authenticate: (metadata: Metadata) => Promise<Authentication>
  /** Undefined: any authenticated caller may look. */
  readonly debugNamespaces: ReadonlySet<string> | undefined
}

async function debug(call: HttpCall, options: MonitoringOptions): Promise<HttpAnswer | undefined> {
  if (options.debug === undefined) return undefined
  if (!call.loopback) {
    const metadata = new Metadata()
    if (call.headers.authorization !== undefined) metadata.set('authorization', call.headers.authorization)
    const verdict = await options.authenticate(metadata)
    if (!verdict.accepted) return { status: 401 }
    if (options.debugNamespaces?.has(verdict.caller.namespace) === false) return { status: 403 }
  }
  return debugPage(call.path.replace(/^\/debug\/?/, ''), call.query, options.debug)
}

const isDebug = (path: string): boolean => path === '/debug' || path.startsWith('/debug/')

/** Port 8080. */
export function httpRoutes(options: MonitoringOptions): HttpRoute {
  return call => {
    if (call.path === '/ready') return { status: options.ready() ? 200 : 503 }
    return isDebug(call.path) ? debug(call, options) : undefined
  }
}

/** Port 15014. */
export function monitoringRoutes(options: MonitoringOptions): HttpRoute {
  return call => {
    if (call.path === '/version') return { status: 200, body: options.version }
    if (call.path === '/metrics') {
      if (options.metricsLocalOnly && !call.loopback) return { status: 403 }
      const contentType = 'text/plain; version=0.0.4; charset=utf-8'
      return { status: 200, contentType, body: options.renderMetrics() }
    }
    return isDebug(call.path) ? debug(call, options) : undefined
  }
}

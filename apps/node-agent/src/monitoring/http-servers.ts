import { existsSync } from 'node:fs'
import { createHttpServer, type HttpServer, type Logger } from '@culvert/telemetry'

/** The two conditions of `/readyz`. */
export interface AgentReadiness {
  install: boolean
  watch: boolean
}

export interface MonitoringOptions {
  readonly readiness: Readonly<AgentReadiness>
  readonly healthPort: number
  /** Not above 0: none. */
  readonly monitoringPort: number
  readonly metrics: { readonly render: () => string }
  readonly log: Logger
}

/** Health and metrics (docs/spec/cni.md 4.1, 5). */
export function createMonitoring(options: MonitoringOptions): { health: HttpServer; metrics: HttpServer | undefined } {
  const { readiness, log } = options
  const plain = 'text/plain; charset=utf-8'
  // Both families where the kernel has both.
  const host = existsSync('/proc/net/if_inet6') ? '::' : '0.0.0.0'
  const health = createHttpServer({
    component: 'health',
    addresses: [{ host, port: options.healthPort }],
    log,
    handle: ({ path }) => {
      if (path === '/healthz') return { status: 200 }
      if (path !== '/readyz') return undefined
      const ready = readiness.install && readiness.watch
      return ready ? { status: 200 } : { status: 503, contentType: plain, body: 'Service Unavailable\n' }
    }
  })
  if (options.monitoringPort <= 0) return { health, metrics: undefined }
  const metrics = createHttpServer({
    component: 'metrics',
    addresses: [{ host, port: options.monitoringPort }],
    log,
    handle: ({ path }) =>
      path === '/metrics'
        ? { status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body: options.metrics.render() }
        : undefined
  })
  return { health, metrics }
}

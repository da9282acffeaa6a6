/**
 * What operators see of the node programs: log lines, metric families, readiness, and the small HTTP servers.
 *
 *     const log = createLog({ style: 'ztunnel', json: false, filter: parseLogFilter('info'), write: (line) => process.stdout.write(line) })
 *     log.scope('access').info('connection complete', [['src.addr', display('10.0.0.1:4000')], ['direction', 'outbound']])
 *
 *     const metrics = createMetrics()
 *     const requests = metrics.counter({ name: 'requests', help: 'Requests', labels: ['code'] })
 *     requests.add(1, [['code', '200']])
 *     metrics.render('openmetrics')
 */
export { loggingResponse, metricsResponse, readinessResponse } from './endpoints.ts'
export { TelemetryError, type TelemetryErrorCode } from './errors.ts'
export type { ExpositionFormat } from './exposition.ts'
export {
  createHttpServer,
  type HttpHandler,
  type HttpListenAddress,
  type HttpRequest,
  type HttpResponse,
  type HttpServer,
  type HttpServerOptions
} from './http-server.ts'
export { type LabelPairs, type LabelSet, labelSet } from './labels.ts'
export { createLineWriter, type LineWriter } from './line-writer.ts'
export { createLog, type Log, type LogCall, type Logger, type LogOptions } from './log.ts'
export { type DirectiveFilter, type LogFilter, parseLogFilter, parseScopeLevels } from './log-filter.ts'
export type { LogLevel, LogThreshold } from './log-level.ts'
export type { LogStyle } from './log-line.ts'
export { type DisplayValue, display, type LogFields, type LogValue, PreparedFields } from './log-value.ts'
export {
  type Counter,
  type CounterCell,
  createMetrics,
  type FamilyOptions,
  type Gauge,
  type GaugeOptions,
  type Histogram,
  type HistogramOptions,
  type Metrics
} from './metrics.ts'
export { declareProcessMetrics } from './process-metrics.ts'
export { createReadiness, type Readiness, type ReadinessTask } from './readiness.ts'

import { promisify } from 'node:util'
import { brotliCompress, deflate, gzip, zstdCompress } from 'node:zlib'
import type { HttpRequest, HttpResponse } from './http-server.ts'
import type { Log } from './log.ts'
import { type DirectiveFilter, isRuntimeLevel } from './log-filter.ts'
import type { Metrics } from './metrics.ts'
import type { Readiness } from './readiness.ts'

/** `/healthz/ready`, docs/spec/observability-dns.md section 6. */
export function readinessResponse(request: HttpRequest, readiness: Readiness): HttpResponse {
  if (request.method !== 'GET') return { status: 405 }
  const pending = readiness.pending()
  if (pending.length === 0) return { status: 200, contentType: 'text/plain', body: 'ready\n' }
  return { status: 500, contentType: 'text/plain', body: `not ready, pending: ${pending.join(', ')}\n` }
}

const compressors: ReadonlyMap<string, (body: string) => Promise<Buffer>> = new Map([
  ['gzip', promisify<string, Buffer>(gzip)],
  ['br', promisify<string, Buffer>(brotliCompress)],
  ['zstd', promisify<string, Buffer>(zstdCompress)],
  ['deflate', promisify<string, Buffer>(deflate)]
])

/** `/metrics` of ztunnel, 5.1: always OpenMetrics text, only the content type follows `Accept`. */
export async function metricsResponse(request: HttpRequest, metrics: Metrics): Promise<HttpResponse> {
  // Elements are not trimmed and quality values are ignored, as upstream does.
  const accepted = request.accept.flatMap(header => header.split(',')).map(each => each.toLowerCase().split(';')[0])
  const contentType = accepted.includes('application/openmetrics-text')
    ? 'application/openmetrics-text;charset=utf-8;version=1.0.0'
    : 'text/plain; charset=utf-8'
  const body = metrics.render('openmetrics')
  const encoding = contentEncoding(request.headers['accept-encoding'])
  const compressed = encoding && (await compressors.get(encoding)?.(body))
  if (!compressed) return { status: 200, contentType, body }
  return { status: 200, contentType, headers: { 'content-encoding': encoding }, body: compressed }
}

/** The encoding with the highest quality; the first named among equals. */
function contentEncoding(header: string | string[] | undefined): string | undefined {
  const offers = String(header ?? '')
    .split(',')
    .map(offer => {
      const [name = '', ...parameters] = offer.split(';').map(part => part.trim().toLowerCase())
      const quality = parameters.find(parameter => parameter.startsWith('q='))
      return { name, quality: quality === undefined ? 1 : Number(quality.slice(2)) }
    })
    .filter(({ name, quality }) => compressors.has(name) && quality > 0)
  return offers.sort((a, b) => b.quality - a.quality)[0]?.name
}

const usage = [
  'usage: POST /logging                     show the current filter',
  '       POST /logging?level=LEVEL         off, error, warn, info, debug or trace',
  '       POST /logging?level=TARGET=LEVEL  one target; several with commas',
  '       POST /logging?reset               back to the filter of the start',
  ''
].join('\n')

/** `/logging` of ztunnel, 7.2. */
export function loggingResponse(request: HttpRequest, log: Log, initial: DirectiveFilter): HttpResponse {
  if (request.method !== 'POST') {
    return { status: 405, contentType: 'text/plain', body: `Invalid HTTP method\n${usage}` }
  }
  const level = request.query.get('level') ?? ''
  const reset = request.query.has('reset')
  if (level !== '' && !isRuntimeLevel(level)) {
    return { status: 400, contentType: 'text/plain', body: `Invalid level provided: ${level}\n${usage}` }
  }
  if (reset || level !== '') {
    const base = reset ? initial : (log.filter() as DirectiveFilter)
    log.setFilter(level === '' ? base : base.append(level))
  }
  return { status: 200, contentType: 'text/plain', body: `current log level is ${log.filter()}\n` }
}

import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  createLog,
  createMetrics,
  createReadiness,
  type HttpRequest,
  loggingResponse,
  metricsResponse,
  parseLogFilter,
  readinessResponse
} from './index.ts'

/** Of `accept` each line is a header. */
function request(method: string, target: string, headers: Record<string, string> = {}): HttpRequest {
  const [path = '', query = ''] = target.split('?')
  const accept = headers.accept?.split('\n') ?? []
  return { method, path, query: new URLSearchParams(query), headers, accept }
}

describe('/logging', () => {
  const initial = parseLogFilter('hickory_server::server=off,info')
  const session = (...targets: string[]): string => {
    const log = createLog({ style: 'ztunnel', json: false, filter: initial, write: () => undefined })
    const answers = targets.map(target => {
      const [method = '', path = ''] = target.split(' ')
      const { status, body } = loggingResponse(request(method, path), log, initial)
      return `${status} ${String(body).split('\n')[0]}`
    })
    return answers.at(-1) ?? ''
  }

  it.each([
    [['GET /logging'], '405 Invalid HTTP method'],
    [['POST /logging'], '200 current log level is hickory_server::server=off,info'],
    [['POST /logging?level='], '200 current log level is hickory_server::server=off,info'],
    [['POST /logging?level=access=debug'], '200 current log level is hickory_server::server=off,access=debug,info'],
    [
      ['POST /logging?level=access=debug', 'POST /logging?level=warn'],
      '200 current log level is hickory_server::server=off,access=debug,warn'
    ],
    [
      ['POST /logging?level=access=debug', 'POST /logging?level=info&reset'],
      '200 current log level is hickory_server::server=off,info'
    ],
    [
      ['POST /logging?level=access=debug', 'POST /logging?reset=yes'],
      '200 current log level is hickory_server::server=off,info'
    ],
    [
      ['POST /logging?level=access=DEBUG,dns=5'],
      '200 current log level is hickory_server::server=off,access=debug,dns=trace,info'
    ],
    [['POST /logging?level=info,'], '400 Invalid level provided: info,'],
    [['POST /logging?level=a=b=info'], '400 Invalid level provided: a=b=info']
  ])('%j ends in %s', (targets, answer) => {
    expect(session(...targets)).toBe(answer)
  })

  it.each(['INFO', 'access', 'access:debug'])('[observability-dns-15] refuses %s and keeps the filter', level => {
    expect(session(`POST /logging?level=${level}`)).toBe(`400 Invalid level provided: ${level}`)
    expect(session(`POST /logging?level=${level}`, 'POST /logging')).toBe(
      '200 current log level is hickory_server::server=off,info'
    )
  })
})

describe('/metrics', () => {
  const openmetrics = 'application/openmetrics-text;charset=utf-8;version=1.0.0'
  const plain = 'text/plain; charset=utf-8'

  it.each([
    ['text/plain;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1', openmetrics],
    ['Application/OpenMetrics-Text', openmetrics],
    ['text/plain, application/openmetrics-text', plain],
    ['text/plain\napplication/openmetrics-text', openmetrics],
    [undefined, plain]
  ])('[observability-dns-10] Accept %s gets %s', async (accept, contentType) => {
    const response = await metricsResponse(
      request('GET', '/metrics', accept === undefined ? {} : { accept }),
      createMetrics()
    )
    expect(response).toEqual({ status: 200, contentType, body: '# EOF\n' })
  })

  it('[observability-dns-11] compresses as Accept-Encoding says', async () => {
    const headers = { 'accept-encoding': 'br;q=0.1, gzip' }
    const response = await metricsResponse(request('GET', '/metrics', headers), createMetrics())
    expect(response.headers).toEqual({ 'content-encoding': 'gzip' })
    expect(gunzipSync(response.body as Buffer).toString()).toBe('# EOF\n')
  })

  it.each(['', 'identity', 'gzip;q=0', 'constructor', '__proto__', 'hasownproperty'])(
    'sends Accept-Encoding %j plain text',
    async offer => {
      const response = await metricsResponse(request('GET', '/metrics', { 'accept-encoding': offer }), createMetrics())
      expect(response).toEqual({ status: 200, contentType: plain, body: '# EOF\n' })
    }
  )
})

describe('/healthz/ready', () => {
  it('lists pending names sorted, once, until they are done, and again when they are set again', () => {
    const readiness = createReadiness()
    const zds = readiness.task('workload proxy manager')
    const state = readiness.task('state manager')
    const ask = (): string => {
      const { status, body } = readinessResponse(request('GET', '/healthz/ready'), readiness)
      return `${status} ${body}`
    }
    expect(ask()).toBe('500 not ready, pending: state manager, workload proxy manager\n')
    state.done()
    zds.done()
    expect(ask()).toBe('200 ready\n')
    zds.again()
    expect(ask()).toBe('500 not ready, pending: workload proxy manager\n')
    expect(readinessResponse(request('POST', '/healthz/ready'), readiness)).toEqual({ status: 405 })
  })
})

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { TelemetryError } from './errors.ts'
import type { Logger } from './log.ts'
import { display } from './log-value.ts'
import { createServer } from './node-http.ts'

export interface HttpRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  /** Each `Accept` header by itself. */
  readonly accept: readonly string[]
}

export interface HttpResponse {
  readonly status: number
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** In place of a body: a long text, made as it is sent, in turns of the event loop. */
  readonly pieces?: Iterable<string>
}

/** Undefined: 404 with an empty body. */
export type HttpHandler = (request: HttpRequest) => HttpResponse | undefined | Promise<HttpResponse | undefined>

export interface HttpListenAddress {
  readonly host: string
  /** 0: chosen by the kernel. */
  readonly port: number
}

export interface HttpServerOptions {
  /** `admin`, `stats`, `readiness`: for the log. */
  readonly component: string
  readonly addresses: readonly HttpListenAddress[]
  readonly log: Logger
  readonly handle: HttpHandler
}

export interface HttpServer {
  /** Binds every address or none; resolves with what was bound. */
  readonly start: () => Promise<readonly HttpListenAddress[]>
  /** Stops accepting, lets running requests finish, cuts what remains when `deadline` aborts. */
  readonly drain: (options: { readonly deadline: AbortSignal }) => Promise<void>
}

/** docs/spec/observability-dns.md section 1: the limits of the three small servers. */
const headerTime = 2_000
const headerBytes = 8_192
/** How often Node looks for connections over their time; the limit above is exact to this. */
const checkInterval = 250

export function createHttpServer(options: HttpServerOptions): HttpServer {
  let servers: Server[] = []

  const start = async (): Promise<readonly HttpListenAddress[]> => {
    const started: Server[] = []
    try {
      for (const address of options.addresses) started.push(await listen(address, options))
    } catch (cause) {
      for (const server of started) server.close()
      throw cause
    }
    servers = started
    const bound = started.map(server => server.address() as AddressInfo)
    for (const { address, port } of bound) {
      options.log.info('listener established', [
        ['address', display(isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`)],
        ['component', options.component]
      ])
    }
    return bound.map(({ address, port }) => ({ host: address, port }))
  }

  const drain = async ({ deadline }: { readonly deadline: AbortSignal }): Promise<void> => {
    const cut = (): void => {
      for (const server of servers) server.closeAllConnections()
    }
    deadline.addEventListener('abort', cut, { once: true })
    const closed = servers.map(server => new Promise<void>(resolve => server.close(() => resolve())))
    for (const server of servers) server.closeIdleConnections()
    if (deadline.aborted) cut()
    await Promise.all(closed)
    deadline.removeEventListener('abort', cut)
  }

  return { start, drain }
}

function listen(address: HttpListenAddress, { handle, log, component }: HttpServerOptions): Promise<Server> {
  const server = createServer(
    {
      maxHeaderSize: headerBytes,
      headersTimeout: headerTime,
      connectionsCheckingInterval: checkInterval,
      noDelay: true
    },
    (request, response) => {
      answer(request, response, handle).catch((error: Error) => {
        // A client that goes away before the end concerns nobody.
        if ((error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE') return
        log.warn('answer cut short', { component, path: request.url ?? '', error: error.message })
      })
    }
  )
  return new Promise((resolve, reject) => {
    server.once('error', cause => {
      const where = `${address.host}:${address.port}`
      reject(new TelemetryError('TELEMETRY_LISTEN', `cannot listen on ${where}: ${cause.message}`, { cause }))
    })
    server.listen({ host: address.host, port: address.port }, () => {
      // Accepting can fail later, without descriptors for instance; the server goes on.
      server.on('error', error => log.warn('cannot accept', { component, error: error.message }))
      resolve(server)
    })
  })
}

async function answer(request: IncomingMessage, response: ServerResponse, handle: HttpHandler): Promise<void> {
  // The body of a request means nothing here; unread it would hold the connection.
  request.resume()
  const result = await respond(request, handle)
  // The client has gone meanwhile, which concerns nobody.
  if (response.destroyed) return
  const { status, contentType, pieces, body = '' } = result
  response.writeHead(status, {
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    ...(pieces === undefined ? { 'content-length': Buffer.byteLength(body) } : {}),
    ...result.headers
  })
  if (request.method === 'HEAD') response.end()
  else if (pieces === undefined) response.end(body)
  else await pipeline(Readable.from(inTurns(pieces), { highWaterMark: 1 }), response)
}

/** Milliseconds, and characters. */
const turn = 4
const chunkLength = 65_536

async function* inTurns(pieces: Iterable<string>): AsyncGenerator<string> {
  let text = ''
  let began = performance.now()
  for (const piece of pieces) {
    text += piece
    if (text.length < chunkLength && performance.now() - began < turn) continue
    if (text !== '') yield text
    text = ''
    await setImmediate()
    began = performance.now()
  }
  if (text !== '') yield text
}

async function respond(request: IncomingMessage, handle: HttpHandler): Promise<HttpResponse> {
  try {
    const url = request.url ?? '/'
    const mark = url.indexOf('?')
    const handled = await handle({
      method: request.method ?? 'GET',
      path: mark === -1 ? url : url.slice(0, mark),
      query: new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1)),
      headers: request.headers,
      accept: request.headersDistinct.accept ?? []
    })
    return handled ?? { status: 404 }
  } catch (error) {
    return { status: 500, contentType: 'text/plain', body: error instanceof Error ? error.message : String(error) }
  }
}

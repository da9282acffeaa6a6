import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { ListenAddress } from '../settings/arguments.ts'
import { listenOn } from './listen.ts'

export interface HttpCall {
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Whether the peer is this very machine: a port-forward, or a shell in the pod. */
  readonly loopback: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly contentType?: string
  readonly body?: string
}

export type HttpRoute = (call: HttpCall) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>

export interface HttpEndpoint {
  readonly address: ListenAddress
  close(): void
}

const isLoopback = (ip: string | undefined): boolean => ip === '::1' || /^(::ffff:)?127\./.test(ip ?? '')

function send(
  response: ServerResponse,
  { status, contentType = 'text/plain; charset=utf-8', body = '' }: HttpAnswer
): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }).end(body)
}

/** A small GET server that, unlike the one of @culvert/telemetry, tells its routes whether the peer is local. */
export async function startHttpEndpoint(address: ListenAddress, route: HttpRoute): Promise<HttpEndpoint> {
  const server = createServer({ maxHeaderSize: 8192, headersTimeout: 2000, connectionsCheckingInterval: 500 })
  server.on('request', (request, response) => {
    // `//version`, which istioctl asks for, would read as a host; `http://[` is no URL at all.
    const url = URL.parse((request.url ?? '/').replace(/^\/{2,}/, '/'), 'http://istiod')
    if (url === null) return send(response, { status: 400 })
    const call: HttpCall = {
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      loopback: isLoopback(request.socket.remoteAddress)
    }
    request.resume()
    Promise.resolve()
      .then(() => route(call))
      .then(
        answer => send(response, answer ?? { status: 404 }),
        (error: Error) => send(response, { status: 500, body: `${error.message}\n` })
      )
  })
  const bound = await listenOn(server, address)
  return {
    address: bound,
    close() {
      server.close()
      server.closeAllConnections()
    }
  }
}

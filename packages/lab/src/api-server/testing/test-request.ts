import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import type { ApiServer } from '../index.ts'

export interface RawAnswer {
  readonly code: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One request as it is, as the admin unless it says who: for what no well-behaved client sends. */
export function rawRequest(
  server: ApiServer,
  o: { method: string; path: string; headers: Record<string, string>; body?: string; port?: number }
): Promise<RawAnswer> {
  const port = o.port ?? server.addresses[0]!.port
  const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json', ...o.headers }
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      method: o.method,
      path: o.path,
      headers,
      ca: server.caCertificate,
      agent: false
    })
    sent.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        resolve({
          code: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8')
        })
      })
    })
    sent.on('error', reject)
    sent.end(o.body === undefined ? undefined : Buffer.from(o.body, 'latin1'))
  })
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { User } from './auth/user.ts'
import type { StatusError } from './status.ts'

/** One authenticated request. */
export interface RequestContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  readonly query: URLSearchParams
  readonly user: User
}

export function sendJson(response: ServerResponse, code: number, body: unknown): void {
  sendText(response, code, typeof body === 'string' ? body : JSON.stringify(body), 'application/json')
}

export function sendText(response: ServerResponse, code: number, body: string | Buffer, type: string): void {
  response.writeHead(code, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-cache, private'
  })
  response.end(body)
}

export function sendStatusError(response: ServerResponse, error: StatusError): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  // What is left of a refused body is not read, so the connection cannot carry another request.
  if (error.code === 413) response.setHeader('connection', 'close')
  if (error.code === 401) response.setHeader('www-authenticate', 'Bearer realm="kubernetes-master"')
  sendJson(response, error.code, error.status)
}

/** Warnings reach the user of kubectl through this header; the text must be one printable line. */
export function warn(response: ServerResponse, text: string): void {
  const safe = text.replace(/[^\x20-\x7e]+/g, ' ').replace(/["\\]/g, '\\$&')
  response.appendHeader('warning', `299 - "${safe}"`)
}

export const dryRun = (query: URLSearchParams): boolean => query.getAll('dryRun').includes('All')

export type Handler = (context: RequestContext) => Promise<void> | void

import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { ClusterAccess } from './cluster-access.ts'
import { codeForStatus, KubernetesError } from './errors.ts'

export interface Exchange {
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined
  readonly body?: unknown
  readonly contentType?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Transport {
  readonly server: string
  /** Resolves with the answer once its headers are there and its status is 2xx; rejects with KubernetesError otherwise. */
  send(exchange: Exchange): Promise<IncomingMessage>
  close(): void
}

// A list of every pod of a big cluster is tens of megabytes; more than this is not an answer of a sane server.
const maxBodyBytes = 512 * 1024 * 1024
const maxErrorBytes = 1024 * 1024

const tlsCodes = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/

// The server closed a kept connection in the moment it was used again; what may be sent twice is.
const staleCodes = new Set(['ECONNRESET', 'EPIPE'])
const idempotent = new Set(['GET', 'PUT', 'DELETE'])

function credentialError(error: unknown, what: string): KubernetesError {
  if (error instanceof KubernetesError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new KubernetesError('KUBERNETES_CONFIG', `${what}: cannot use the credentials: ${reason}`, { cause: error })
}

export function transportError(error: unknown, what: string, signal?: AbortSignal): KubernetesError {
  if (error instanceof KubernetesError) return error
  if (signal?.aborted) return new KubernetesError('KUBERNETES_ABORTED', `${what}: aborted`, { cause: error })
  const { code = '', message } = error as NodeJS.ErrnoException
  const kind = tlsCodes.test(code) ? 'KUBERNETES_TLS' : 'KUBERNETES_UNREACHABLE'
  return new KubernetesError(kind, `${what}: ${message || code}`, { cause: error })
}

export async function readBody(response: IncomingMessage, limit: number = maxBodyBytes): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) {
      response.destroy()
      throw new KubernetesError('KUBERNETES_BAD_RESPONSE', `an answer of more than ${limit} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

interface Status {
  message?: unknown
  reason?: unknown
}

async function refusal(response: IncomingMessage, what: string): Promise<KubernetesError> {
  const status = response.statusCode ?? 0
  const text = await readBody(response, maxErrorBytes).catch(() => '')
  let parsed: Status = {}
  try {
    parsed = JSON.parse(text) as Status
  } catch {
    // Proxies in front of an API server answer in HTML or plain text.
  }
  const reason = typeof parsed.reason === 'string' ? parsed.reason : undefined
  const detail = typeof parsed.message === 'string' ? parsed.message : JSON.stringify(text.slice(0, 200))
  const retryAfter = Number(response.headers['retry-after'])
  return new KubernetesError(codeForStatus(status, reason), `${what}: ${status} ${detail}`, {
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfter > 0 ? { retryAfterSeconds: retryAfter } : {})
  })
}

/** HTTP/1.1 with kept-alive connections. Watches hold a connection each; there is one per kind, not per object. */
export function createTransport(access: ClusterAccess): Transport {
  const cluster = access.getCurrentCluster()
  if (cluster === null) throw new KubernetesError('KUBERNETES_CONFIG', 'the kubeconfig has no current cluster')
  const server = cluster.server.replace(/\/+$/, '')
  const base = new URL(server)
  const secure = base.protocol === 'https:'
  // Node's agents keep connections apart by trust root and credentials, so rotated ones get a connection of their own.
  const agentOptions = { keepAlive: true, keepAliveMsecs: 30_000, scheduling: 'lifo' } as const
  const agent = secure ? new https.Agent(agentOptions) : new http.Agent(agentOptions)

  return {
    server,
    close: () => agent.destroy(),
    async send({ method, path, query, body, contentType = 'application/json', signal }) {
      const url = new URL(server + path)
      for (const [name, value] of Object.entries(query ?? {})) {
        if (value !== undefined) url.searchParams.set(name, String(value))
      }
      const what = `${method} ${url.pathname} at ${base.host}`
      if (signal?.aborted) throw transportError(signal.reason, what, signal)
      const options: https.RequestOptions = { method, headers: {} }
      await access.applyToHTTPSOptions(options).catch(error => {
        throw credentialError(error, what)
      })
      // The library's agent is needed for proxies only; otherwise it opens a new connection for every request.
      if (cluster.proxyUrl === undefined || cluster.proxyUrl === '') options.agent = agent
      const payload =
        body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
      options.headers = {
        ...(options.headers as http.OutgoingHttpHeaders),
        accept: 'application/json',
        'user-agent': 'culvert',
        ...(payload === undefined ? {} : { 'content-type': contentType, 'content-length': payload.length })
      }
      if (signal !== undefined) options.signal = signal

      const attempt = (retry: boolean): Promise<IncomingMessage> =>
        new Promise((resolve, reject) => {
          const request = (secure ? https : http).request(url, options, resolve)
          request.on('socket', socket => socket.setKeepAlive(true, 30_000))
          request.on('error', error => {
            const stale = request.reusedSocket && staleCodes.has((error as NodeJS.ErrnoException).code ?? '')
            if (retry && stale && !signal?.aborted) resolve(attempt(false))
            else reject(transportError(error, what, signal))
          })
          request.end(payload)
        })
      const response = await attempt(idempotent.has(method))
      const status = response.statusCode ?? 0
      if (status >= 200 && status < 300) return response
      throw await refusal(response, what)
    }
  }
}

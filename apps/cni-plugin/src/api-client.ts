import http from 'node:http'
import https from 'node:https'
import { reasonOf } from './cni-error.ts'
import type { ApiServer } from './kubeconfig.ts'

/** The part of a Pod that decides. */
export interface Pod {
  readonly metadata?: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> }
  readonly spec?: {
    readonly hostNetwork?: boolean
    readonly initContainers?: readonly Container[]
    readonly containers?: readonly Container[]
  }
}

export interface Container {
  readonly name?: string
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
}

export interface Namespace {
  readonly metadata?: { readonly labels?: Record<string, string> }
}

export interface ApiClient {
  pod(namespace: string, name: string): Promise<Pod>
  namespace(name: string): Promise<Namespace>
  close(): void
}

/** Milliseconds for one answer: a hanging API server must not hang the sandbox until the runtime gives up. */
const requestLimit = 10_000
/** Bytes: etcd limits an object to 1.5 MiB. */
const bodyLimit = 16 * 1024 * 1024

/** Two GETs over one connection; no client library, whose loading alone would cost more than the requests. */
export function createApiClient(server: ApiServer): ApiClient {
  const { url, ca, insecure, serverName, certificate, key } = server
  const secure = url.protocol === 'https:'
  const options = { keepAlive: true, maxSockets: 1 }
  const agent = secure
    ? new https.Agent({
        ...options,
        rejectUnauthorized: !insecure,
        ...(ca !== undefined && { ca }),
        ...(serverName !== undefined && { servername: serverName }),
        ...(certificate !== undefined && { cert: certificate }),
        ...(key !== undefined && { key })
      })
    : new http.Agent(options)
  const base = url.href.replace(/\/$/, '')
  const headers = {
    Accept: 'application/json',
    'User-Agent': 'istio-cni',
    ...(server.token !== undefined && { Authorization: `Bearer ${server.token}` })
  }

  const get = (path: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const target = `${base}${path}`
      const fail = (error: unknown): void => reject(new Error(`Get "${target}": ${reasonOf(error)}`, { cause: error }))
      const request = (secure ? https : http).get(target, { agent, headers }, response => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > bodyLimit) response.destroy(new Error(`the answer is longer than ${bodyLimit} bytes`))
          else chunks.push(chunk)
        })
        response.on('error', fail)
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString()
          try {
            resolve(readAnswer(response.statusCode ?? 0, body))
          } catch (error) {
            fail(error)
          }
        })
      })
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${requestLimit} ms`)), requestLimit)
      request.on('close', () => clearTimeout(timer))
      request.on('error', fail)
    })

  const segment = encodeURIComponent
  return {
    pod: (namespace, name) => get(`/api/v1/namespaces/${segment(namespace)}/pods/${segment(name)}`) as Promise<Pod>,
    namespace: name => get(`/api/v1/namespaces/${segment(name)}`) as Promise<Namespace>,
    close: () => agent.destroy()
  }
}

function readAnswer(status: number, body: string): unknown {
  if (status === 200) {
    const object: unknown = JSON.parse(body)
    if (typeof object !== 'object' || object === null) throw new Error('the answer is no object')
    return object
  }
  let message = ''
  try {
    message = (JSON.parse(body) as { message?: string } | null)?.message ?? ''
  } catch {
    // A proxy in between answers in HTML; the status code is what is left to say.
  }
  throw new Error(`status ${status}${message && `: ${message}`}`)
}

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ClusterAccess } from '../src/cluster-access.ts'

export interface SeenRequest {
  method: string
  url: URL
  headers: IncomingMessage['headers']
  body: string
}

export type Answer = (request: SeenRequest, response: ServerResponse) => void

/** A real HTTP server whose answers the test chooses; every request it saw is kept. */
export async function startTestApi(
  answer: Answer
): Promise<AsyncDisposable & { access: ClusterAccess; seen: SeenRequest[]; url: string }> {
  const seen: SeenRequest[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://test')
      const entry = {
        method: request.method ?? '',
        url,
        headers: request.headers,
        body: Buffer.concat(chunks).toString()
      }
      seen.push(entry)
      answer(entry, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    seen,
    url,
    access: { getCurrentCluster: () => ({ server: url }), applyToHTTPSOptions: async () => {} },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

export const pod = (
  name: string,
  resourceVersion: string,
  uid: string = name
): { metadata: Record<string, string> } => ({
  metadata: { name, namespace: 'shop', resourceVersion, uid }
})

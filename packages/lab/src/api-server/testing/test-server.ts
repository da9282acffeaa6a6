import { AppsV1Api, CoreV1Api, KubeConfig, type V1Pod } from '@kubernetes/client-node'
import { afterEach, beforeEach, expect } from 'vitest'
import { type ApiServer, startApiServer } from '../index.ts'
import { type RawAnswer, rawRequest } from './test-request.ts'

export const namespace = 'default'
export const containers: { name: string; image: string }[] = [{ name: 'main', image: 'one' }]
export const pod = (name: string, more: Partial<V1Pod> = {}): V1Pod => ({
  metadata: { name },
  spec: { containers },
  ...more
})

/** What a test of the server's behaviour works with: a server of its own, and the library's clients of it. */
export interface TestServer {
  server: ApiServer
  config: KubeConfig
  core: CoreV1Api
  apps: AppsV1Api
  /** One request of the admin, as it is. */
  request(method: string, path: string, body?: string | object, headers?: Record<string, string>): Promise<RawAnswer>
}

/** A new server for each test of the file, which must not report an error of its own. */
export function useTestServer(): TestServer {
  const errors: unknown[] = []
  const t = {
    request: (method, path, body, headers = {}) => {
      const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
      return rawRequest(t.server, { method, path, headers, ...(text === undefined ? {} : { body: text }) })
    }
  } as TestServer

  beforeEach(async () => {
    errors.length = 0
    const listen = [{ host: '127.0.0.1', port: 0 }]
    t.server = await startApiServer({ listen, historyLimit: 50, onError: error => errors.push(error) })
    t.config = new KubeConfig()
    t.config.loadFromString(t.server.adminKubeconfig())
    t.core = t.config.makeApiClient(CoreV1Api)
    t.apps = t.config.makeApiClient(AppsV1Api)
    await t.core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'default' } } })
  })

  afterEach(async () => {
    await t.server.close()
    expect(errors).toEqual([])
  })

  return t
}

/** The Status object with which a call of the library's clients was refused; undefined when it was not. */
export async function refused(
  call: Promise<unknown>
): Promise<{ code: number; reason: string; message: string; details?: unknown } | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    return JSON.parse((error as { body: string }).body)
  }
}

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createKubernetesClient, type KubernetesClient, type KubernetesObject } from '@culvert/kubernetes'

type Plural = 'pods' | 'namespaces' | 'nodes' | 'daemonsets'

/** As much of a Kubernetes API as the agent uses: get, list, watch, and merge patches of metadata on `status`. */
export interface FakeApi extends AsyncDisposable {
  readonly client: KubernetesClient
  readonly url: string
  set(plural: Plural, object: KubernetesObject): void
  remove(plural: Plural, object: KubernetesObject): void
  get(plural: Plural, name: string): KubernetesObject | undefined
  /** Resolves once the object of that name makes it true. */
  until(plural: Plural, name: string, holds: (object: KubernetesObject | undefined) => boolean): Promise<void>
  /** `METHOD path` of every request. */
  readonly seen: string[]
}

export async function startFakeApi(): Promise<FakeApi> {
  const objects = new Map<string, KubernetesObject>()
  const watches = new Set<{ plural: string; response: ServerResponse }>()
  const waiting = new Set<() => void>()
  const seen: string[] = []
  let version = 1

  const key = (plural: string, name: string): string => `${plural}/${name}`
  const tell = (type: string, plural: string, object: KubernetesObject): void => {
    for (const watch of watches) {
      if (watch.plural === plural) watch.response.write(`${JSON.stringify({ type, object })}\n`)
    }
    for (const check of [...waiting]) check()
  }
  const store = (plural: string, object: KubernetesObject): KubernetesObject => {
    const stored = {
      ...object,
      metadata: { uid: object.metadata!.name!, ...object.metadata, resourceVersion: String(++version) }
    }
    const name = key(plural, object.metadata!.name!)
    const type = objects.has(name) ? 'MODIFIED' : 'ADDED'
    objects.set(name, stored)
    tell(type, plural, stored)
    return stored
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://api')
    seen.push(`${request.method} ${url.pathname}`)
    const [, plural, name, subresource] =
      /(pods|namespaces|nodes|daemonsets)(?:\/([^/]+))?(?:\/(status))?$/.exec(url.pathname) ?? []
    const json = (status: number, body: object): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (plural === undefined) return json(404, { kind: 'Status', code: 404, message: url.pathname })
    if (name === undefined) {
      if (url.searchParams.get('watch') !== 'true') {
        const items = [...objects].filter(([id]) => id.startsWith(`${plural}/`)).map(([, object]) => object)
        return json(200, { items, metadata: { resourceVersion: String(version) } })
      }
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
      const watch = { plural, response }
      watches.add(watch)
      response.on('close', () => watches.delete(watch))
      // What changed between list and watch.
      for (const [id, object] of objects) {
        const newer = Number(object.metadata?.resourceVersion) > Number(url.searchParams.get('resourceVersion'))
        if (newer && id.startsWith(`${plural}/`)) response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`)
      }
      return
    }
    const object = objects.get(key(plural, name))
    if (object === undefined) return json(404, { kind: 'Status', code: 404, reason: 'NotFound', message: name })
    if (request.method === 'GET') return json(200, object)
    let body = ''
    for await (const chunk of request) body += chunk
    if (request.method !== 'PATCH' || subresource !== 'status') return json(405, { kind: 'Status', code: 405 })
    const annotations = { ...object.metadata?.annotations, ...JSON.parse(body).metadata.annotations }
    for (const [annotation, value] of Object.entries(annotations)) if (value === null) delete annotations[annotation]
    json(200, store(plural, { ...object, metadata: { ...object.metadata, annotations } }))
  }

  const server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createKubernetesClient({
    getCurrentCluster: () => ({ server: url }),
    applyToHTTPSOptions: async () => {}
  })
  return {
    client,
    url,
    seen,
    set: (plural, object) => void store(plural, object),
    remove(plural, object) {
      const name = key(plural, object.metadata!.name!)
      const last = objects.get(name) ?? object
      objects.delete(name)
      tell('DELETED', plural, last)
    },
    get: (plural, name) => objects.get(key(plural, name)),
    until: (plural, name, holds) =>
      new Promise(resolve => {
        const check = (): void => {
          if (!holds(objects.get(key(plural, name)))) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
    async [Symbol.asyncDispose]() {
      client.close()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

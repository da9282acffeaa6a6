import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { json, pod, type SeenRequest, startTestApi } from '../test/test-api.ts'
import { createKubernetesClient } from './client.ts'
import type { KubernetesError } from './errors.ts'
import { createInformer } from './informer.ts'
import { pods } from './resources.ts'

type Log = (string | undefined)[]

let stop: AbortController
beforeEach(() => {
  stop = new AbortController()
})
afterEach(() => stop.abort())

const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`

/** Lists come from `lists` in turn (the last one repeats); every watch is handed to `onWatch`. */
function listsAndWatches(
  lists: unknown[],
  onWatch: (response: ServerResponse, request: SeenRequest, n: number) => void
) {
  let list = 0
  let watch = 0
  return (request: SeenRequest, response: ServerResponse) => {
    if (request.url.searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
      return onWatch(response, request, watch++)
    }
    json(response, 200, lists[Math.min(list++, lists.length - 1)])
  }
}

function recordInto(
  log: Log,
  until: string
): { handler: Parameters<ReturnType<typeof createInformer>['on']>[0]; reached: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const note = (entry: string) => {
    log.push(entry)
    if (entry === until) resolve()
  }
  return {
    reached: promise,
    handler: {
      added: (o, initial) =>
        note(`${initial ? 'initial' : 'added'} ${o.metadata?.name}@${o.metadata?.resourceVersion}`),
      updated: (old, o) =>
        note(`updated ${o.metadata?.name}@${old.metadata?.resourceVersion}→${o.metadata?.resourceVersion}`),
      deleted: o => note(`deleted ${o.metadata?.name}`)
    }
  }
}

it('lists, then follows the watch from the list’s version, events split anywhere', async () => {
  const log: Log = []
  let watchedFrom: string | null = null
  await using api = await startTestApi(
    listsAndWatches([{ metadata: { resourceVersion: '5' }, items: [pod('a', '3')] }], (response, { url }) => {
      watchedFrom = url.searchParams.get('resourceVersion')
      const text = line('ADDED', pod('b', '6')) + line('MODIFIED', pod('a', '7')) + line('DELETED', pod('a', '8'))
      const middle = Math.floor(text.length / 2)
      response.write(text.slice(0, middle), () => response.write(text.slice(middle)))
    })
  )
  const informer = createInformer(createKubernetesClient(api.access), pods)
  const { handler, reached } = recordInto(log, 'deleted a')
  informer.on(handler)
  await informer.start({ signal: stop.signal })
  expect(informer.synced).toBe(true)
  await reached
  expect(watchedFrom).toBe('5')
  expect(log).toEqual(['initial a@3', 'added b@6', 'updated a@3→7', 'deleted a'])
  expect(informer.list().map(o => o.metadata?.name)).toEqual(['b'])
  expect(informer.get('shop', 'b')?.kind).toBeUndefined()
})

it('goes on from the last version, bookmarks included, when the server ends the watch', async () => {
  const from: (string | null)[] = []
  const third = Promise.withResolvers<void>()
  await using api = await startTestApi(
    listsAndWatches([{ metadata: { resourceVersion: '5' }, items: [] }], (response, { url }, n) => {
      from.push(url.searchParams.get('resourceVersion'))
      if (n === 0) response.end(line('ADDED', pod('a', '6')))
      else if (n === 1) response.end(line('BOOKMARK', { metadata: { resourceVersion: '40' } }))
      else third.resolve()
    })
  )
  const informer = createInformer(createKubernetesClient(api.access), pods)
  await informer.start({ signal: stop.signal })
  await third.promise
  expect(from).toEqual(['5', '6', '40'])
  expect(api.seen.filter(({ url }) => !url.searchParams.has('watch'))).toHaveLength(1)
})

it('an expired version means a new list, reported as differences', async () => {
  const log: Log = []
  const lists = [
    { metadata: { resourceVersion: '5' }, items: [pod('a', '3'), pod('b', '4'), pod('c', '5', 'c-old')] },
    { metadata: { resourceVersion: '90' }, items: [pod('a', '3'), pod('c', '80', 'c-new'), pod('d', '81')] }
  ]
  await using api = await startTestApi(
    listsAndWatches(lists, (response, _, n) => {
      if (n === 0) response.end(line('ERROR', { code: 410, reason: 'Expired', message: 'too old resource version' }))
    })
  )
  const informer = createInformer(createKubernetesClient(api.access), pods)
  const { handler, reached } = recordInto(log, 'added d@81')
  informer.on(handler)
  await informer.start({ signal: stop.signal })
  await reached
  expect(log).toEqual([
    'initial a@3',
    'initial b@4',
    'initial c@5',
    'deleted b',
    'deleted c',
    'added c@80',
    'added d@81'
  ])
})

it('retries a failing list with the reason reported, and syncs when the server is back', async () => {
  const errors: KubernetesError[] = []
  let lists = 0
  await using api = await startTestApi((request, response) => {
    if (request.url.searchParams.has('watch')) return void response.writeHead(200).flushHeaders()
    if (lists++ < 2) return json(response, 503, { message: 'etcd is away' })
    json(response, 200, { metadata: { resourceVersion: '1' }, items: [pod('a', '1')] })
  })
  const informer = createInformer(createKubernetesClient(api.access), pods, { onError: error => errors.push(error) })
  await informer.start({ signal: stop.signal })
  expect(errors.map(({ status }) => status)).toEqual([503, 503])
  expect(errors[0]?.message).toContain('etcd is away')
})

it('a broken connection loses nothing: the watch goes on from the last event', async () => {
  const log: Log = []
  await using api = await startTestApi(
    listsAndWatches([{ metadata: { resourceVersion: '5' }, items: [] }], (response, { url }, n) => {
      if (n === 0) response.write(line('ADDED', pod('a', '6')), () => response.destroy())
      else if (url.searchParams.get('resourceVersion') === '6') response.write(line('ADDED', pod('b', '7')))
    })
  )
  const informer = createInformer(createKubernetesClient(api.access), pods)
  const { handler, reached } = recordInto(log, 'added b@7')
  informer.on(handler)
  await informer.start({ signal: stop.signal })
  await reached
  expect(log).toEqual(['added a@6', 'added b@7'])
})

it('a handler that throws is reported and disturbs neither the others nor the cache', async () => {
  const log: Log = []
  const errors: KubernetesError[] = []
  await using api = await startTestApi(
    listsAndWatches([{ metadata: { resourceVersion: '5' }, items: [pod('a', '3')] }], () => {})
  )
  const informer = createInformer(createKubernetesClient(api.access), pods, { onError: error => errors.push(error) })
  informer.on({
    added() {
      throw new Error('boom')
    }
  })
  informer.on(recordInto(log, '').handler)
  await informer.start({ signal: stop.signal })
  expect(log).toEqual(['initial a@3'])
  expect(errors).toMatchObject([{ code: 'KUBERNETES_HANDLER_FAILED', message: expect.stringContaining('boom') }])
})

it('a handler registered late sees what is already known, and nothing after it left', async () => {
  const log: Log = []
  let send: (text: string) => void = () => {}
  await using api = await startTestApi(
    listsAndWatches([{ metadata: { resourceVersion: '5' }, items: [pod('a', '3')] }], response => {
      send = text => response.write(text)
    })
  )
  const informer = createInformer(createKubernetesClient(api.access), pods)
  await informer.start({ signal: stop.signal })
  const leave = informer.on(recordInto(log, '').handler)
  leave()
  const other = recordInto([], 'added b@6')
  informer.on(other.handler)
  await expect.poll(() => api.seen.length, { timeout: 9000 }).toBe(2)
  send(line('ADDED', pod('b', '6')))
  await other.reached
  expect(log).toEqual(['initial a@3'])
})

it('a kind the server does not have counts as empty when asked to', async () => {
  await using api = await startTestApi((_, response) => json(response, 404, { message: 'no such kind' }))
  const informer = createInformer(createKubernetesClient(api.access), pods, { missingKind: 'empty' })
  await informer.start({ signal: stop.signal })
  expect(informer.list()).toEqual([])
})

it('start rejects when stopped before it was in sync, and closes its watch when stopped after', async () => {
  await using silent = await startTestApi(() => {})
  const waiting = createInformer(createKubernetesClient(silent.access), pods).start({ signal: stop.signal })
  stop.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'KUBERNETES_ABORTED' })

  const second = new AbortController()
  const closed = Promise.withResolvers<void>()
  await using api = await startTestApi(
    listsAndWatches([{ metadata: { resourceVersion: '5' }, items: [] }], response => {
      response.on('close', () => closed.resolve())
      second.abort()
    })
  )
  await createInformer(createKubernetesClient(api.access), pods).start({ signal: second.signal })
  await closed.promise
})

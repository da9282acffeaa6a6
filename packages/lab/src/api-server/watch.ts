import type { ServerResponse } from 'node:http'
import { booleanOption, type Matches, numberOption, selection } from './list-options.ts'
import { groupVersion } from './object-metadata.ts'
import type { KubeObject } from './objects.ts'
import type { Representation } from './representation.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { expired, type StatusError } from './status.ts'
import type { Change, Store } from './store.ts'

/** What a client may leave unread before it is cut off; it resumes from its last resourceVersion. */
const maxUnreadBytes = 16 * 1024 * 1024

export interface WatchOptions {
  readonly store: Store
  readonly definition: ResourceDefinition
  readonly namespace: string | undefined
  /** From a path that names one object. */
  readonly name: string | undefined
  readonly query: URLSearchParams
  readonly representation: Representation
  readonly bookmarkIntervalMs: number
  /** Ends all watches when the server closes. */
  readonly signal: AbortSignal
}

/** Streams the changes of a resource, one JSON object a line, until the client, the time limit or the server ends it. */
export function serveWatch(response: ServerResponse, options: WatchOptions): void {
  const { store, definition, namespace, query, signal } = options
  const matches = selection(query, options.name)
  const since = numberOption(query, 'resourceVersion') ?? 0
  const timeout = numberOption(query, 'timeoutSeconds')
  const initialEvents =
    query.get('sendInitialEvents') === 'true' || (since === 0 && query.get('sendInitialEvents') !== 'false')
  const bookmarks = booleanOption(query, 'allowWatchBookmarks')
  let sent = Math.max(since, 1)

  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' })
  response.flushHeaders()

  const write = (type: string, object: string): void => {
    response.write(`{"type":"${type}","object":${object}}\n`)
    if (response.writableLength > maxUnreadBytes) response.destroy()
  }
  const send = (type: string, object: KubeObject): void =>
    write(type, options.representation.object(object, definition))
  const inScope = (object: KubeObject): boolean => namespace === undefined || object.metadata.namespace === namespace
  const forward = (change: Change): void => {
    sent = change.revision
    if (!inScope(change.object)) return
    const event = eventFor(change, matches)
    if (event !== undefined) send(event.type, event.object)
  }
  const bookmark = (annotations?: Record<string, string>): void => {
    const metadata = { resourceVersion: String(sent), creationTimestamp: null, ...(annotations && { annotations }) }
    write('BOOKMARK', JSON.stringify({ kind: definition.kind, apiVersion: groupVersion(definition), metadata }))
  }

  if (since > store.revision) {
    // From before a restart of the server: what the client knows has nothing to do with what is here now.
    endWith(response, expired(`resource version ${since} is not of this server (${store.revision})`))
    return
  }
  if (initialEvents) {
    for (const object of store.list(definition.storageKey, namespace)) if (matches(object)) send('ADDED', object)
    sent = store.revision
    if (query.get('sendInitialEvents') === 'true') bookmark({ 'k8s.io/initial-events-end': 'true' })
  } else {
    // Without initial events, "any version" means from now on.
    const missed = since === 0 ? [] : store.changesSince(definition.storageKey, since)
    if (missed === undefined) {
      endWith(response, expired(`too old resource version: ${since} (${store.oldest})`))
      return
    }
    for (const change of missed) forward(change)
    sent = Math.max(sent, store.revision)
  }

  const unsubscribe = store.subscribe(definition.storageKey, forward)
  const bookmarkTimer = setInterval(() => {
    sent = Math.max(sent, store.revision)
    if (bookmarks) bookmark()
  }, options.bookmarkIntervalMs)
  const end = (): void => {
    // A last bookmark lets the client go on from here instead of from its last event.
    if (bookmarks && !response.destroyed) bookmark()
    response.end()
  }
  // Go clients give up a connection after a while on their own; without a limit a watch stays as long as they like.
  const timer = timeout === undefined || timeout === 0 ? undefined : setTimeout(end, Math.min(timeout, 86_400) * 1000)
  const abort = (): void => void response.end()
  signal.addEventListener('abort', abort)
  response.once('close', () => {
    unsubscribe()
    clearInterval(bookmarkTimer)
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  })
}

/** How a change looks through a selector: an object can come into view and go out of it without being made or deleted. */
function eventFor(change: Change, matches: Matches): { type: string; object: KubeObject } | undefined {
  const { type, object, previous } = change
  const before = previous !== undefined && matches(previous)
  if (type === 'DELETED') return before || matches(object) ? { type, object } : undefined
  if (matches(object)) return { type: before ? 'MODIFIED' : 'ADDED', object }
  return before ? { type: 'DELETED', object } : undefined
}

function endWith(response: ServerResponse, error: StatusError): void {
  response.end(`${JSON.stringify({ type: 'ERROR', object: error.status })}\n`)
}

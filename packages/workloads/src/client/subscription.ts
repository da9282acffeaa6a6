import { WorkloadsError } from '../errors.ts'
import type { DeltaResponse } from '../messages/delta-response.ts'
import { encodeDeltaRequest, encodeInitialVersions } from '../messages/discovery-codec.ts'
import type { DeltaDiscoveryRequest, NodeMessage, ResourceMessage } from '../messages/discovery-messages.ts'
import { plainText } from '../plain-text.ts'
import { createTurns } from '../state/turns.ts'
import type { Demands } from './demands.ts'
import type { RejectedResource, ResourceHandler } from './resource-handler.ts'

/** One resource type over all connections: what we hold, and what is to be said about it (docs/spec/workload-xds.md 1.4). */
export interface Subscription {
  readonly typeUrl: string
  /**
   * Hands over the request that opens the type on a connection: who we are, what we want, what we still have. What is
   * demanded before it is handed over it names; everything later is for the caller to ask.
   */
  readonly open: (node: NodeMessage, send: (request: Uint8Array) => void) => Promise<void>
  /** Applies a response and words the reply. */
  readonly receive: (response: DeltaResponse) => Promise<Reply>
}

export interface Reply {
  readonly request: DeltaDiscoveryRequest
  /** An ACK. */
  readonly clean: boolean
  /** Of the resources' values together. */
  readonly valueBytes: number
}

/** A rejection costs the server a log line; a response full of them need not cost it a megabyte. */
const maxErrorText = 16_384

/**
 * What istiod takes in one message is 4 MiB (docs/spec/workload-xds.md 1.1), and about 60,000 resources with their
 * versions are more. Those for which there is no room are not listed: the server sends them anew, and what it does not
 * send in its first response is gone.
 */
const maxListedBytes = 4 * 1024 * 1024 - 64 * 1024
const namesPerStep = 256

export function createSubscription({
  typeUrl,
  handle,
  demands
}: {
  readonly typeUrl: string
  readonly handle: ResourceHandler
  /** On-demand mode: only names that are asked for, instead of everything. */
  readonly demands?: Demands
}): Subscription {
  const versions = new Map<string, string>()
  const turns = createTurns()
  /** Held, and not listed when this connection was opened. Empty after its first response. */
  let unlisted = new Set<string>()

  /** Encoded messages one after another are one message, and their maps together one map (Protocol Buffers, Encoding). */
  function* listVersions(parts: Uint8Array[]): Generator<void> {
    let left = maxListedBytes
    let names: [string, string][] = []
    const list = (): void => {
      const part = encodeInitialVersions(names)
      left -= part.length
      if (left > 0) parts.push(part)
      else for (const [name] of names) unlisted.add(name)
      names = []
    }
    for (const entry of versions) {
      if (left <= 0) unlisted.add(entry[0])
      else if (names.push(entry) === namesPerStep) list()
      else continue
      yield
    }
    list()
  }

  return {
    typeUrl,
    async open(node, send) {
      unlisted = new Set()
      const parts: Uint8Array[] = []
      await turns.take(listVersions(parts))
      const demanded = demands ? [...demands.unanswered()].filter(name => !versions.has(name)) : []
      // Subscribing to everything and taking it back means "nothing yet"; an empty list would mean everything.
      const nothingYet = { resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] }
      const initialResourceVersions = Object.fromEntries(demanded.map(name => [name, '']))
      const first = encodeDeltaRequest({ node, typeUrl, initialResourceVersions, ...(demands && nothingYet) })
      send(Buffer.concat([first, ...parts]))
    },

    async receive({ nonce, resources, removed }) {
      let valueBytes = 0
      /** Names and aliases, for those who wait for one. */
      const present: string[] = []
      const gone: string[] = []
      /** What the response says something about. */
      const touched: string[] = []
      function* counted(): Generator<ResourceMessage | WorkloadsError> {
        for (const resource of resources()) {
          if (!(resource instanceof WorkloadsError)) {
            const { name = '', aliases = [] } = resource
            valueBytes += resource.resource?.value?.length ?? 0
            unlisted.delete(name)
            touched.push(name)
            if (demands) for (const known of [name, ...aliases]) present.push(known)
          }
          yield resource
        }
      }
      /** Only after the resources it is known what of the unlisted is gone. */
      function* removals(): Generator<string> {
        for (const name of removed()) {
          if (demands) gone.push(name)
          touched.push(name)
          versions.delete(name)
          yield name
        }
        for (const name of unlisted) {
          touched.push(name)
          versions.delete(name)
          yield name
        }
        unlisted = new Set()
      }
      // Versions are noted while the response is read, and not all in one turn at its end.
      const rejections = await handle({
        resources: counted(),
        removed: removals(),
        // A rejected one keeps the version we still use; without one the server tries again after a reconnect.
        onAccepted: ({ name = '', version = '' }) => versions.set(name, version)
      }).catch((error: unknown) => {
        // Nobody knows how much of it is in force. Of a version that it never gave, the server sends what is there and
        // takes back what is not.
        for (const name of touched) versions.set(name, '')
        throw error
      })
      demands?.settle({ present, removed: gone })
      const reply = { typeUrl, responseNonce: nonce }
      if (rejections.length === 0) return { request: reply, clean: true, valueBytes }
      return {
        request: { ...reply, errorDetail: { code: 0, message: errorText(rejections) } },
        clean: false,
        valueBytes
      }
    }
  }
}

function errorText(rejections: readonly RejectedResource[]): string {
  let text = ''
  for (const { name, reason } of rejections) {
    if (text.length > maxErrorText) break
    text += `${text && '; '}${name}: ${reason}`
  }
  return plainText(text, maxErrorText)
}

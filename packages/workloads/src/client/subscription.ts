import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, NodeMessage } from '../messages/discovery-messages.ts'
import type { ResourceHandler } from './resource-handler.ts'

/** One resource type over all connections: what we hold, and what is to be said about it (docs/spec/workload-xds.md 1.4). */
export interface Subscription {
  readonly typeUrl: string
  /** Opens the type on a connection: who we are, what we want, what we still have. */
  readonly opening: (node: NodeMessage) => DeltaDiscoveryRequest
  /** Applies a response and words the reply. */
  readonly receive: (response: DeltaDiscoveryResponse) => Promise<Reply>
}

export interface Reply {
  readonly request: DeltaDiscoveryRequest
  /** An ACK. */
  readonly clean: boolean
}

/** A rejection costs the server a log line; a response full of them need not cost it a megabyte. */
const maxErrorText = 16_384

export function createSubscription({
  typeUrl,
  handle,
  onDemand,
  demanded
}: {
  readonly typeUrl: string
  readonly handle: ResourceHandler
  /** Only names that are asked for, instead of everything. */
  readonly onDemand: boolean
  /** Names asked for and not answered. */
  readonly demanded: () => Iterable<string>
}): Subscription {
  const versions = new Map<string, string>()
  return {
    typeUrl,
    opening(node) {
      const unanswered = [...demanded()].map(name => [name, ''] as const)
      const initialResourceVersions = Object.fromEntries([...unanswered, ...versions])
      // Subscribing to everything and taking it back means "nothing yet"; an empty list would mean everything.
      const nothingYet = { resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] }
      return { node, typeUrl, initialResourceVersions, ...(onDemand ? nothingYet : {}) }
    },
    async receive({ resources = [], removedResources: removed = [], nonce = '' }) {
      const rejections = await handle({ resources, removed })
      const rejectedNames = new Set(rejections.map(({ name }) => name))
      // A rejected name keeps the version we still use; without one the server tries again after a reconnect.
      for (const { name = '', version = '' } of resources) if (!rejectedNames.has(name)) versions.set(name, version)
      for (const name of removed) versions.delete(name)
      const request: DeltaDiscoveryRequest = { typeUrl, responseNonce: nonce }
      if (rejections.length === 0) return { request, clean: true }
      const message = rejections.map(({ name, reason }) => `${name}: ${reason}`).join('; ')
      return {
        request: { ...request, errorDetail: { code: 0, message: message.slice(0, maxErrorText) } },
        clean: false
      }
    }
  }
}

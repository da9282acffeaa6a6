import {
  addressTypeUrl,
  authorizationTypeUrl,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse
} from '@culvert/workloads'
import type { Changes, Published } from '../inventory/published.ts'
import {
  type Delta,
  demandAnswer,
  demandChange,
  isNothing,
  wildcardAnswer,
  wildcardChange
} from './address-responses.ts'
import { policyAnswer, policyChange } from './policy-responses.ts'
import { isWildcard, type Subscription } from './subscription.ts'

export type RequestOutcome =
  | { readonly kind: 'response'; readonly response: DeltaDiscoveryResponse }
  | { readonly kind: 'ack' | 'stale' | 'ignored' }
  | { readonly kind: 'nack'; readonly message: string }

export interface DeltaStream {
  /** What one request is answered with (docs/spec/workload-xds.md 1.7). */
  request(request: DeltaDiscoveryRequest): RequestOutcome
  /** What changes mean to this stream, Address before Authorization. */
  push(changes: Changes): DeltaDiscoveryResponse[]
  readonly subscriptions: ReadonlyMap<string, Subscription>
}

// A client that makes up types must not make the stream grow.
const maxTypes = 32

/** One stream's subscriptions and nonces; knows nothing of the transport. */
export function createDeltaStream(options: {
  readonly published: Published
  /** `NODE_NAME` of the client. */
  readonly node: string | undefined
  readonly now: () => number
  readonly nonce: () => string
}): DeltaStream {
  const { published, node, now, nonce } = options
  const subscriptions = new Map<string, Subscription>()

  function respond(subscription: Subscription, { resources, removed }: Delta): DeltaDiscoveryResponse {
    subscription.sentNonce = nonce()
    subscription.sentAt = now()
    const { typeUrl, sentNonce } = subscription
    return {
      typeUrl,
      nonce: sentNonce,
      systemVersionInfo: new Date(subscription.sentAt).toISOString(),
      resources,
      removedResources: removed
    }
  }

  function answer(subscription: Subscription, names: readonly string[], held: Readonly<Record<string, string>>): Delta {
    if (subscription.typeUrl === authorizationTypeUrl) return policyAnswer(published, held)
    if (subscription.typeUrl !== addressTypeUrl) return { resources: [], removed: [] }
    if (subscription.wildcard) return wildcardAnswer(published, held)
    return demandAnswer(published, subscription, [...names, ...Object.keys(held)], node)
  }

  return {
    subscriptions,
    request(request) {
      const {
        typeUrl = '',
        resourceNamesSubscribe: subscribe = [],
        resourceNamesUnsubscribe: unsubscribe = [],
        initialResourceVersions: held = {},
        responseNonce = '',
        errorDetail
      } = request
      const known = subscriptions.get(typeUrl)
      if (errorDetail !== undefined) {
        // Kept as long as the stream.
        const message = (errorDetail.message ?? '').slice(0, 1024)
        if (known !== undefined) known.lastError = message
        return { kind: 'nack', message }
      }
      if (known === undefined) {
        if (subscriptions.size >= maxTypes) return { kind: 'ignored' }
        const subscription: Subscription = {
          typeUrl,
          wildcard: isWildcard(subscribe, unsubscribe),
          names: new Set(),
          sentNonce: '',
          ackedNonce: '',
          sentAt: 0,
          lastError: undefined
        }
        subscriptions.set(typeUrl, subscription)
        return { kind: 'response', response: respond(subscription, answer(subscription, subscribe, held)) }
      }
      if (responseNonce !== '' && responseNonce !== known.sentNonce) return { kind: 'stale' }
      if (responseNonce !== '') {
        known.ackedNonce = responseNonce
        known.lastError = undefined
      }
      for (const name of unsubscribe) known.names.delete(name)
      const changed = subscribe.length > 0 || (known.wildcard && unsubscribe.length > 0)
      if (!changed) return { kind: responseNonce === '' ? 'ignored' : 'ack' }
      return { kind: 'response', response: respond(known, answer(known, subscribe, held)) }
    },
    push(changes) {
      const responses: DeltaDiscoveryResponse[] = []
      const addresses = subscriptions.get(addressTypeUrl)
      if (addresses !== undefined && changes.addresses.size > 0) {
        const delta = addresses.wildcard
          ? wildcardChange(published, changes.addresses)
          : demandChange(published, addresses, changes.addresses, node)
        if (!isNothing(delta)) responses.push(respond(addresses, delta))
      }
      const policies = subscriptions.get(authorizationTypeUrl)
      if (policies !== undefined && changes.policies.size > 0) {
        const delta = policyChange(published, changes.policies)
        if (!isNothing(delta)) responses.push(respond(policies, delta))
      }
      return responses
    }
  }
}

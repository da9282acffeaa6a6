import type { ServiceAccountTokens } from './auth/service-account-tokens.ts'
import type { Kubelets } from './kubelets.ts'
import type { Fields, KubeObject } from './objects.ts'
import type { Operations, Target, UpdateOptions } from './operations.ts'
import type { Registry } from './registry.ts'
import type { RequestContext } from './request-context.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import type { Schemas } from './schema/schemas.ts'
import type { Store } from './store.ts'

/** What the handlers of requests work on. */
export interface Cluster {
  readonly store: Store
  readonly registry: Registry
  readonly schemas: Schemas
  readonly operations: Operations
  readonly tokens: ServiceAccountTokens
  readonly kubelets: Kubelets
  readonly bookmarkIntervalMs: number
  /** Aborts when the server closes. */
  readonly signal: AbortSignal
  now(): Date
  /** Refuses values of the wrong type, and unknown fields as the client's `fieldValidation` asks. */
  checkFields(body: Fields, definition: ResourceDefinition, context: RequestContext): void
  /** Admission, then the write, with the fields' manager noted from the request. */
  create(definition: ResourceDefinition, object: KubeObject, context: RequestContext): Promise<KubeObject>
  update(
    target: Target,
    change: (current: KubeObject) => KubeObject,
    options: Pick<UpdateOptions, 'subresource'>,
    context: RequestContext
  ): KubeObject
}

import { copy, equal, type KubeObject, type ObjectMeta, timestamp } from './objects.ts'
import { beingDeleted, type DeleteOptions, isFinished } from './deletion.ts'
import { groupVersion, keptMetadata, newMetadata } from './object-metadata.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import {
  alreadyExists,
  badRequest,
  conflict,
  type FieldError,
  forbidden,
  invalid,
  notFound,
  objectModified
} from './status.ts'
import type { Store } from './store.ts'
import type { Strategy, StrategyContext } from './strategy.ts'
import { validateMetadata } from './validation/metadata.ts'

export interface Target {
  readonly definition: ResourceDefinition
  readonly namespace: string | undefined
  readonly name: string
}

export interface UpdateOptions {
  /** Which part is written: everything but the status, or only what the subresource shows. */
  readonly subresource?: string
  readonly dryRun?: boolean
}

/** The writes, with everything Kubernetes does around storing an object. Reads go to the store. */
export interface Operations {
  read(target: Target): KubeObject
  create(definition: ResourceDefinition, object: KubeObject, options?: { dryRun?: boolean }): KubeObject
  update(target: Target, change: (current: KubeObject) => KubeObject, options?: UpdateOptions): KubeObject
  /** The object as it now is (still there, being deleted) or last was. */
  remove(target: Target, options: DeleteOptions): { object: KubeObject; gone: boolean }
}

export function createOperations(o: {
  store: Store
  strategyOf: (definition: ResourceDefinition) => Strategy
  context: StrategyContext
  now: () => Date
}): Operations {
  const { store, strategyOf, context } = o

  function read({ definition, namespace, name }: Target): KubeObject {
    const object = store.get(definition.storageKey, namespace, name)
    if (object === undefined) throw notFound(definition, name)
    return object
  }

  function checkNamespace(definition: ResourceDefinition, { metadata }: KubeObject): void {
    if (!definition.namespaced) return
    const name = metadata.namespace
    if (name === undefined) throw badRequest('an empty namespace may not be set during creation')
    const namespace = store.get('/namespaces', undefined, name)
    if (namespace === undefined) throw notFound({ group: '', plural: 'namespaces' }, name)
    if (namespace.metadata.deletionTimestamp !== undefined) {
      const message = `namespace ${name} is being terminated`
      throw forbidden(
        definition,
        metadata.name,
        `unable to create new content in namespace ${name} because it is being terminated`,
        [{ reason: 'NamespaceTerminating', message, field: 'metadata.namespace' }]
      )
    }
  }

  function check(definition: ResourceDefinition, object: KubeObject, old: KubeObject | undefined): void {
    const errors: FieldError[] = [
      ...validateMetadata(object, definition, old),
      ...(strategyOf(definition).validate?.(object, old) ?? [])
    ]
    if (errors.length > 0) throw invalid(definition, object.metadata.name ?? '', errors)
  }

  return {
    read,
    create(definition, given, options = {}) {
      const strategy = strategyOf(definition)
      const object: KubeObject = { ...given, metadata: newMetadata(given.metadata, timestamp(o.now())) }
      if (
        object.metadata.name !== undefined &&
        store.get(definition.storageKey, object.metadata.namespace, object.metadata.name)
      ) {
        throw alreadyExists(definition, object.metadata.name)
      }
      if (definition.status && !keepsStatusOnCreate.has(definition.storageKey)) delete object.status
      strategy.defaults?.(object, context)
      strategy.prepareCreate?.(object, context)
      if (definition.generation !== 'none') object.metadata.generation = 1
      check(definition, object, undefined)
      checkNamespace(definition, object)
      return options.dryRun === true ? object : store.put(definition.storageKey, object)
    },
    update(target, change, options = {}) {
      const { definition, namespace, name } = target
      const current = read(target)
      const wanted = change(current)
      const { resourceVersion, uid } = wanted.metadata
      if (uid !== undefined && uid !== '' && uid !== current.metadata.uid) {
        throw conflict(
          definition,
          name,
          `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`
        )
      }
      if (
        resourceVersion !== undefined &&
        resourceVersion !== '' &&
        resourceVersion !== current.metadata.resourceVersion
      ) {
        throw conflict(definition, name, objectModified)
      }
      const next = merged(definition, current, copy(wanted), options.subresource)
      next.metadata = { ...keptMetadata(next.metadata, current.metadata), name }
      if (namespace !== undefined) next.metadata.namespace = namespace
      const strategy = strategyOf(definition)
      strategy.defaults?.(next, context)
      strategy.prepareUpdate?.(next, current, context)
      if (contentChanged(definition, current, next)) next.metadata.generation = (current.metadata.generation ?? 0) + 1
      check(definition, next, current)
      if (equal(next, current)) return current
      if (options.dryRun === true) return next
      if (isFinished(next)) return store.remove(definition.storageKey, next)
      return store.put(definition.storageKey, next)
    },
    remove(target, options) {
      const { definition, name } = target
      const current = read(target)
      const { uid, resourceVersion } = options.preconditions ?? {}
      if (uid !== undefined && uid !== current.metadata.uid) {
        throw conflict(
          definition,
          name,
          `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`
        )
      }
      if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
        throw conflict(
          definition,
          name,
          `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${current.metadata.resourceVersion}`
        )
      }
      const next = beingDeleted(definition, current, options, o.now())
      if (next === undefined) {
        return { object: options.dryRun === true ? current : store.remove(definition.storageKey, current), gone: true }
      }
      if (equal(next, current)) return { object: current, gone: false }
      return { object: options.dryRun === true ? next : store.put(definition.storageKey, next), gone: false }
    }
  }
}

/** A kubelet registers its node with the status in the same request. */
const keepsStatusOnCreate = new Set(['/nodes'])

/** The current object with the part of the wanted one that this request may write. */
function merged(
  definition: ResourceDefinition,
  current: KubeObject,
  wanted: KubeObject,
  subresource: string | undefined
): KubeObject {
  const identity = { apiVersion: groupVersion(definition), kind: definition.kind }
  if (subresource === 'status') {
    const { managedFields } = wanted.metadata
    // Custom resources take no metadata through status; built-in ones take the parts nobody owns by name.
    const metadata: ObjectMeta = { ...current.metadata, ...(managedFields === undefined ? {} : { managedFields }) }
    if (definition.builtIn) {
      for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
        // The last annotation's removal arrives as no annotations at all.
        delete metadata[field]
        if (wanted.metadata[field] !== undefined) Object.assign(metadata, { [field]: wanted.metadata[field] })
      }
    }
    const { status: _, ...rest } = copy(current)
    return { ...rest, ...identity, metadata, ...(wanted.status === undefined ? {} : { status: wanted.status }) }
  }
  if (!definition.status || subresource !== undefined) return { ...wanted, ...identity }
  const { status: _, ...rest } = wanted
  return {
    ...rest,
    ...identity,
    ...(current.status === undefined ? {} : { status: copy(current.status) })
  } as KubeObject
}

function contentChanged(definition: ResourceDefinition, current: KubeObject, next: KubeObject): boolean {
  if (definition.generation === 'none') return false
  if (definition.generation === 'spec') return !equal(current.spec, next.spec)
  const content = ({ metadata: _, status: __, apiVersion: ___, ...rest }: KubeObject) => rest
  return !equal(content(current), content(next))
}

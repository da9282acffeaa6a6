import { randomInt, randomUUID } from 'node:crypto'
import { copy, type Fields, isFields, type KubeObject, type ObjectMeta } from './objects.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { badRequest } from './status.ts'

/** Kubernetes' alphabet for generated names: no vowels, nothing that looks alike. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
const suffixLength = 5
/** Longest prefix that leaves room for the suffix in a label-sized name. */
const maxPrefix = 63 - suffixLength

export function randomSuffix(length: number = suffixLength): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

export const groupVersion = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? version : `${group}/${version}`

/**
 * The body of a create or update as an object of the kind the path names: what the client must not decide is taken
 * from the path, and a contradiction is refused.
 */
export function toObject(
  body: Fields,
  definition: ResourceDefinition,
  namespace: string | undefined,
  name: string | undefined
): KubeObject {
  const { apiVersion = groupVersion(definition), kind = definition.kind } = body
  if (apiVersion !== groupVersion(definition) || kind !== definition.kind) {
    throw badRequest(
      `the API version in the data (${printable(apiVersion)}, Kind=${printable(kind)}) does not match the expected ` +
        `API version (${groupVersion(definition)}, Kind=${definition.kind})`
    )
  }
  const content = definition.builtIn ? (withoutNulls(body) as Fields) : body
  const given = withoutNulls(body.metadata ?? {})
  if (!isFields(given)) throw badRequest('metadata: must be an object')
  const metadata = copy(given) as Partial<ObjectMeta>
  for (const field of ['name', 'namespace', 'generateName', 'resourceVersion', 'uid'] as const) {
    if (metadata[field] === '') delete metadata[field]
    if (metadata[field] !== undefined && typeof metadata[field] !== 'string') {
      throw badRequest(`metadata.${field}: must be a string`)
    }
  }
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    const value = metadata[field]
    if (typeof value === 'object' && Object.keys(value).length === 0) delete metadata[field]
  }
  if (name !== undefined) {
    if (metadata.name !== undefined && metadata.name !== name) {
      throw badRequest(
        `the name of the object (${printable(metadata.name)}) does not match the name on the URL (${printable(name)})`
      )
    }
    metadata.name = name
  }
  if (definition.namespaced) {
    if (metadata.namespace !== undefined && metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
    }
    if (namespace !== undefined) metadata.namespace = namespace
  } else {
    delete metadata.namespace
  }
  return {
    ...copy(content),
    apiVersion: groupVersion(definition),
    kind: definition.kind,
    metadata: metadata as ObjectMeta
  }
}

/** In Go, which defines these types, null is the same as an absent field. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isFields(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== null && field !== undefined)
      .map(([key, field]) => [key, withoutNulls(field)])
  )
}

/** Metadata of an object about to be stored for the first time. */
export function newMetadata(metadata: ObjectMeta, now: string): ObjectMeta {
  const {
    resourceVersion: _,
    deletionTimestamp: __,
    deletionGracePeriodSeconds: ___,
    generation: ____,
    ...given
  } = metadata
  const generated = given.generateName !== undefined && given.name === undefined
  const name = generated ? given.generateName!.slice(0, maxPrefix) + randomSuffix() : given.name
  return { ...given, name, uid: randomUUID(), resourceVersion: '', creationTimestamp: now }
}

/** What an update leaves as it is whatever the client sends. */
export function keptMetadata(metadata: ObjectMeta, old: ObjectMeta): ObjectMeta {
  const { deletionTimestamp, deletionGracePeriodSeconds, generation, generateName } = old
  const {
    deletionTimestamp: _,
    deletionGracePeriodSeconds: __,
    generation: ___,
    generateName: ____,
    ...rest
  } = metadata
  return {
    ...rest,
    uid: old.uid,
    creationTimestamp: old.creationTimestamp,
    resourceVersion: old.resourceVersion,
    ...(generateName === undefined ? {} : { generateName }),
    ...(generation === undefined ? {} : { generation }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds })
  }
}

/** A value of the client's, fit to be quoted in a message. */
export function printable(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is being removed
  return (text ?? String(value)).replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 100)
}

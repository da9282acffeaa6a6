import * as client from '@kubernetes/client-node'
import { listMerges } from '../patch/merge-keys.ts'
import { builtInResources } from '../resource-definition.ts'
import { type Definitions, microTime, reference, type Schema } from './schema.ts'

interface Attribute {
  readonly baseName: string
  readonly type: string
  readonly format: string
}

/** Maps whose values are quantities: "1", 1 and "1Gi" alike. */
const quantityMaps = new Set(['limits', 'requests', 'capacity', 'allocatable', 'hard', 'used', 'overhead', 'default'])

/**
 * The schemas of the built-in kinds, made from the attribute tables that @kubernetes/client-node carries for its own
 * serializer. They know every field and its type; they know no requirements and no descriptions.
 */
export const builtInDefinitions: Definitions = build()

/** The name under which a kind's schema is found, for example `io.k8s.api.apps.v1.Deployment`. */
export function schemaName(model: string): string {
  const [, prefix, version, name] = /^([A-Z][a-z]+)?(V\d+(?:(?:alpha|beta)\d+)?)(\w+)$/.exec(model) ?? []
  if (version === undefined) return `io.k8s.api.${model}`
  const meta = [
    'ObjectMeta',
    'ListMeta',
    'OwnerReference',
    'ManagedFieldsEntry',
    'Status',
    'LabelSelector',
    'MicroTime'
  ]
  const home = meta.includes(name!) ? 'io.k8s.apimachinery.pkg.apis.meta' : 'io.k8s.api'
  return [home, prefix?.toLowerCase(), version.toLowerCase(), name].filter(part => part !== undefined).join('.')
}

/** The model of a kind: client-node puts the group before the version where a kind's name is not unique. */
export function modelOf(group: string, version: string, kind: string): string {
  const upper = `V${version.slice(1)}${kind}`
  if (kind === 'Event') return group === '' ? 'CoreV1Event' : 'EventsV1Event'
  return upper
}

function build(): Definitions {
  const definitions: Record<string, Schema> = {}
  const add = (model: string): Schema => {
    const name = schemaName(model)
    if (!Object.hasOwn(definitions, name)) {
      definitions[name] = {} // Put first: JSONSchemaProps contains itself.
      definitions[name] = describe(model, add)
    }
    return reference(name)
  }
  for (const { group, version, kind, listKind } of builtInResources) {
    for (const one of [kind, listKind]) {
      const model = modelOf(group, version, one)
      if (attributes(model) === undefined) continue
      add(model)
      definitions[schemaName(model)]!['x-kubernetes-group-version-kind'] = [{ group, version, kind: one }]
    }
  }
  return definitions
}

function attributes(model: string): readonly Attribute[] | undefined {
  const type = (client as unknown as Record<string, { attributeTypeMap?: readonly Attribute[] } | undefined>)[model]
  return type?.attributeTypeMap
}

function describe(model: string, add: (model: string) => Schema): Schema {
  // A MicroTime is a string on the wire.
  if (model === 'V1MicroTime') return { type: 'string', format: microTime }
  const properties: Record<string, Schema> = {}
  for (const { baseName, type, format } of attributes(model) ?? []) {
    const field = quantityMaps.has(baseName) && type.startsWith('{') ? quantities() : fieldOf(type, format, add)
    properties[baseName] = { ...field, ...mergeExtensions(model, baseName) }
  }
  const atomic = model === 'V1LabelSelector' || model === 'V1NodeSelectorTerm' || model === 'V1ObjectReference'
  return { type: 'object', properties, ...(atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}) }
}

function quantities(): Schema {
  return { type: 'object', additionalProperties: { 'x-kubernetes-int-or-string': true } }
}

function fieldOf(type: string, format: string, add: (model: string) => Schema): Schema {
  const array = /^Array<(.*)>$/.exec(type)
  if (array !== null) return { type: 'array', items: fieldOf(array[1]!, format, add) }
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)
  if (map !== null) return { type: 'object', additionalProperties: fieldOf(map[1]!, format, add) }
  switch (type) {
    case 'string':
      return { type: 'string', ...(format === '' ? {} : { format }) }
    case 'number':
      return format === 'double' ? { type: 'number', format } : { type: 'integer', format }
    case 'boolean':
      return { type: 'boolean' }
    case 'Date':
      return { type: 'string', format: 'date-time' }
    case 'IntOrString':
      return { 'x-kubernetes-int-or-string': true }
    case 'any':
      return { 'x-kubernetes-preserve-unknown-fields': true }
    default:
      return add(type)
  }
}

function mergeExtensions(model: string, field: string): Schema {
  const merge = listMerges[model]?.[field]
  if (merge === undefined) return {}
  return {
    'x-kubernetes-list-type': merge.type,
    ...(merge.applyKeys === undefined ? {} : { 'x-kubernetes-list-map-keys': [...merge.applyKeys] }),
    ...(merge.type === 'set' || merge.patchKey !== undefined ? { 'x-kubernetes-patch-strategy': 'merge' } : {}),
    ...(merge.patchKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': merge.patchKey })
  }
}

import type { IncomingMessage } from 'node:http'
import { groupVersion } from './object-metadata.ts'
import type { Fields, KubeObject } from './objects.ts'
import type { ResourceDefinition } from './resource-definition.ts'
import { notAcceptable } from './status.ts'
import { toTable } from './table/table.ts'

/** In which form the client wants objects: whole, as table rows for printing, or only their metadata. */
export interface Representation {
  object(object: KubeObject, definition: ResourceDefinition): string
  list(items: readonly KubeObject[], definition: ResourceDefinition, metadata: Fields): string
}

type Form = 'object' | 'table' | 'metadata'

/** From the Accept header: the first form we have. Protobuf and CBOR are never sent; clients accept JSON beside them. */
export function representation(request: IncomingMessage, query: URLSearchParams): Representation {
  const include = query.get('includeObject') ?? 'Metadata'
  switch (formOf(request.headers.accept ?? '*/*')) {
    case 'table':
      return {
        object: (object, definition) => JSON.stringify(toTable([object], definition, {}, include)),
        list: (items, definition, metadata) => JSON.stringify(toTable(items, definition, metadata, include))
      }
    case 'metadata':
      return {
        object: object => JSON.stringify(metadataOnly(object)),
        list: (items, _, metadata) =>
          JSON.stringify({
            kind: 'PartialObjectMetadataList',
            apiVersion: 'meta.k8s.io/v1',
            metadata,
            items: items.map(metadataOnly)
          })
      }
    case 'object':
      return {
        object: encode,
        list: (items, definition, metadata) => {
          const head = { kind: definition.listKind, apiVersion: groupVersion(definition), metadata }
          return `${JSON.stringify(head).slice(0, -1)},"items":[${items.map(item => encode(item, definition)).join(',')}]}`
        }
      }
  }
}

function formOf(accept: string): Form {
  for (const range of accept.split(',')) {
    const [type, ...parameters] = range.split(';').map(part => part.trim().toLowerCase())
    if (!['application/json', 'application/*', '*/*'].includes(type ?? '')) continue
    const as = parameters.find(parameter => parameter.startsWith('as='))?.slice(3)
    // Tables of the beta version are no longer known to anyone but are asked for as a second choice.
    if (as === 'table' && parameters.includes('v=v1')) return 'table'
    if (as === 'partialobjectmetadata' || as === 'partialobjectmetadatalist') return 'metadata'
    if (as === undefined) return 'object'
  }
  throw notAcceptable(['application/json'])
}

const metadataOnly = ({ metadata }: KubeObject): Fields => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata
})

// Stored objects are frozen and watched by many: each is put into words once per version it is served in.
const encoded = new WeakMap<KubeObject, Map<string, string>>()

function encode(object: KubeObject, definition: ResourceDefinition): string {
  const apiVersion = groupVersion(definition)
  let versions = encoded.get(object)
  if (versions === undefined) {
    versions = new Map()
    if (Object.isFrozen(object)) encoded.set(object, versions)
  }
  let text = versions.get(apiVersion)
  if (text === undefined) {
    text = JSON.stringify({ ...object, apiVersion, kind: definition.kind })
    versions.set(apiVersion, text)
  }
  return text
}

import type { Fields, KubeObject } from '../objects.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { type Column, columnsOf } from './columns.ts'

/** Objects as rows for a printer, as `kubectl get` asks for them. */
export function toTable(
  items: readonly KubeObject[],
  definition: ResourceDefinition,
  metadata: Fields,
  includeObject: string,
  now: Date = new Date()
): Fields {
  const columns = columnsOf(definition)
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map(describe),
    rows: items.map(item => ({
      cells: columns.map(column => column.cell(item, now)),
      ...includedObject(item, includeObject)
    }))
  }
}

function describe({ name, type = 'string', wide = false }: Column): Fields {
  const format = name === 'Name' ? 'name' : ''
  return { name, type, format, description: '', priority: wide ? 1 : 0 }
}

function includedObject(object: KubeObject, include: string): Fields {
  if (include === 'None') return {}
  if (include === 'Object') return { object }
  return { object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata } }
}

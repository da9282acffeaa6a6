import type { KubeObject } from '../objects.ts'
import type { ResourceDefinition } from '../resource-definition.ts'
import { age } from './duration.ts'

export interface Column {
  readonly name: string
  readonly type?: 'string' | 'integer' | 'date' | 'number' | 'boolean'
  /** Shown only by `-o wide`. */
  readonly wide?: boolean
  cell(object: KubeObject, now: Date): unknown
}

const name: Column = { name: 'Name', cell: ({ metadata }) => metadata.name }
const ageColumn: Column = { name: 'Age', cell: ({ metadata }, now) => age(metadata.creationTimestamp, now) }

export function columnsOf(_definition: ResourceDefinition): readonly Column[] {
  return [name, ageColumn]
}

import { equal, type Fields, isFields, type KubeObject, type ManagedFieldsEntry } from '../objects.ts'
import type { Definitions, Schema } from '../schema/schema.ts'
import {
  difference,
  equalSets,
  emptySet,
  fieldsOf,
  filterSet,
  fromFieldsV1,
  intersection,
  isEmpty,
  toFieldsV1,
  union,
  valueAt,
  type FieldSet
} from './field-set.ts'

/** Who writes, and through what. */
export interface Manager {
  readonly name: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  readonly subresource: string | undefined
  readonly time: string
}

export interface ManagedSet {
  readonly entry: Omit<ManagedFieldsEntry, 'fieldsV1'>
  readonly fields: FieldSet
}

/** What the server keeps itself is nobody's. */
const unmanaged: readonly string[] = [
  'apiVersion',
  'kind',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'metadata.resourceVersion',
  'metadata.generation',
  'metadata.generateName',
  'metadata.creationTimestamp',
  'metadata.deletionTimestamp',
  'metadata.deletionGracePeriodSeconds',
  'metadata.managedFields',
  'metadata.selfLink'
]

export function managedFieldsOf(object: KubeObject, schema: Schema | undefined, definitions: Definitions): FieldSet {
  const content: Fields = { ...object, metadata: { ...object.metadata } }
  for (const path of unmanaged) {
    const [first, second] = path.split('.') as [string, string | undefined]
    if (second === undefined) delete content[first]
    else delete (content.metadata as Fields)[second]
  }
  if (Object.keys(content.metadata as Fields).length === 0) delete content.metadata
  return fieldsOf(content, schema, definitions)
}

export function readManaged(entries: unknown): ManagedSet[] {
  if (!Array.isArray(entries)) return []
  return entries.filter(isFields).flatMap(entry => {
    const { fieldsV1, ...rest } = entry
    if (typeof entry.manager !== 'string') return []
    return [{ entry: rest as unknown as ManagedSet['entry'], fields: fromFieldsV1(fieldsV1) }]
  })
}

export function writeManaged(sets: readonly ManagedSet[]): ManagedFieldsEntry[] {
  return sets
    .filter(({ fields }) => !isEmpty(fields))
    .map(({ entry, fields }) => ({ ...entry, fieldsType: 'FieldsV1', fieldsV1: toFieldsV1(fields) }))
}

export function isManager({ entry }: ManagedSet, manager: Manager): boolean {
  return (
    entry.manager === manager.name &&
    entry.operation === manager.operation &&
    (entry.subresource ?? '') === (manager.subresource ?? '') &&
    (manager.operation === 'Apply' || entry.apiVersion === manager.apiVersion)
  )
}

/** The list with one manager's fields set anew; its time stays when nothing about them changed. */
export function withManager(sets: readonly ManagedSet[], manager: Manager, fields: FieldSet): ManagedSet[] {
  const before = sets.find(set => isManager(set, manager))
  const { name, operation, apiVersion, subresource, time } = manager
  const unchanged = before !== undefined && equalSets(before.fields, fields) && before.entry.apiVersion === apiVersion
  const entry: ManagedSet['entry'] = {
    manager: name,
    operation,
    apiVersion,
    time: unchanged ? (before.entry.time ?? time) : time,
    fieldsType: 'FieldsV1',
    ...(subresource === undefined ? {} : { subresource })
  }
  const now = { entry, fields }
  return before === undefined ? [...sets, now] : sets.map(set => (set === before ? now : set))
}

/** After an update: what it changed belongs to the one who changed it, what it removed to nobody. */
export function afterUpdate(
  old: KubeObject | undefined,
  next: KubeObject,
  manager: Manager,
  schema: Schema | undefined,
  definitions: Definitions
): ManagedFieldsEntry[] {
  const sets = readManaged(next.metadata.managedFields ?? old?.metadata.managedFields)
  const present = managedFieldsOf(next, schema, definitions)
  const changed = filterSet(present, path => {
    const before = valueAt(old, path)
    // A list's item is not changed because something inside it is.
    if (path.at(-1)?.startsWith('k:') === true) return before === undefined
    return before === undefined || !equal(before, valueAt(next, path))
  })
  const others = sets
    .filter(set => !isManager(set, manager))
    .map(set => ({ ...set, fields: difference(intersection(set.fields, present), changed) }))
  const own = sets.find(set => isManager(set, manager))?.fields ?? emptySet
  const kept = sets.filter(set => isManager(set, manager))
  return writeManaged(withManager([...others, ...kept], manager, union(intersection(own, present), changed)))
}

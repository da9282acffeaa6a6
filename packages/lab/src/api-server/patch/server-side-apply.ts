import { equal, type Fields, isFields, type KubeObject } from '../objects.ts'
import { type Definitions, fieldSchema, resolve, type Schema } from '../schema/schema.ts'
import { applyConflict } from '../status.ts'
import {
  difference,
  emptySet,
  type FieldSet,
  filterSet,
  formatPath,
  hasKeys,
  intersection,
  itemElements,
  members,
  union,
  valueAt
} from './field-set.ts'
import {
  isManager,
  type ManagedSet,
  type Manager,
  managedFieldsOf,
  readManaged,
  withManager,
  writeManaged
} from './managed-fields.ts'

export interface Apply {
  readonly manager: Manager
  readonly force: boolean
  readonly schema: Schema | undefined
  readonly definitions: Definitions
}

/**
 * Server-side apply: the fields the manager's configuration has are set, those it had before and has no longer go unless
 * someone else has them too, and a field another manager has set to something else is a conflict, or is taken over.
 */
export function serverSideApply(live: KubeObject | undefined, applied: KubeObject, options: Apply): KubeObject {
  const { manager, schema, definitions } = options
  const wanted = managedFieldsOf(applied, schema, definitions)
  if (live === undefined) {
    const metadata = { ...applied.metadata, managedFields: writeManaged(withManager([], manager, wanted)) }
    return { ...applied, metadata }
  }
  const sets = readManaged(live.metadata.managedFields)
  const conflicts = findConflicts(sets, wanted, live, applied, manager)
  if (conflicts.length > 0 && !options.force) throw conflictError(conflicts)
  const taken = new Map(conflicts.map(({ set, fields }) => [set, fields]))
  const kept = sets.map(set => ({ ...set, fields: difference(set.fields, taken.get(set) ?? emptySet) }))
  const before = sets.find(set => isManager(set, manager))?.fields ?? emptySet
  const others = kept.filter(set => !isManager(set, manager)).reduce((all, { fields }) => union(all, fields), emptySet)
  const dropped = difference(difference(before, wanted), others)
  const merged = mergeApplied(removeFields(live, dropped), applied, schema, definitions) as KubeObject
  const now = writeManaged(withManager(kept, manager, wanted))
  const { resourceVersion, uid } = applied.metadata
  const metadata = {
    ...merged.metadata,
    managedFields: now,
    resourceVersion: resourceVersion ?? '',
    ...(uid && { uid })
  }
  return { ...merged, metadata }
}

interface Conflict {
  readonly set: ManagedSet
  readonly fields: FieldSet
}

function findConflicts(
  sets: readonly ManagedSet[],
  wanted: FieldSet,
  live: KubeObject,
  applied: KubeObject,
  manager: Manager
): Conflict[] {
  return sets
    .filter(set => !isManager(set, manager))
    .map(set => {
      const shared = intersection(set.fields, wanted)
      const fields = filterSet(shared, path => {
        if (path.at(-1)?.startsWith('f:') !== true) return false
        return !equal(valueAt(live, path), valueAt(applied, path))
      })
      return { set, fields }
    })
    .filter(({ fields }) => members(fields).length > 0)
}

function conflictError(conflicts: readonly Conflict[]): Error {
  const causes = conflicts.flatMap(({ set, fields }) =>
    members(fields).map(path => {
      const { manager, operation, apiVersion, subresource } = set.entry
      const through = subresource === undefined ? '' : ` with subresource "${subresource}"`
      const using = operation === 'Update' ? ` using ${apiVersion}` : ''
      return {
        reason: 'FieldManagerConflict',
        message: `conflict with "${manager}"${through}${using}`,
        field: formatPath(path)
      }
    })
  )
  const count = causes.length === 1 ? '1 conflict' : `${causes.length} conflicts`
  const list =
    causes.length === 1
      ? ` ${causes[0]!.message}: ${causes[0]!.field}`
      : `\n${causes.map(({ message, field }) => `${message}: ${field}`).join('\n')}`
  return applyConflict(`Apply failed with ${count}:${list}`, causes)
}

/** The applied configuration laid over the object that is there. */
function mergeApplied(live: unknown, applied: unknown, schema: Schema | undefined, definitions: Definitions): unknown {
  const known = resolve(schema, definitions)
  if (isFields(applied) && isFields(live) && known?.['x-kubernetes-map-type'] !== 'atomic') {
    const result: Fields = { ...live }
    for (const [key, value] of Object.entries(applied)) {
      if (value === undefined) continue
      result[key] = mergeApplied(live[key], value, fieldSchema(known, key, definitions), definitions)
    }
    return result
  }
  if (!Array.isArray(applied) || !Array.isArray(live)) return applied
  const items = itemElements(applied, known)
  const existing = itemElements(live, known)
  if (items === undefined || existing === undefined) return applied
  const wanted = new Map(items.map(({ element, item }) => [element, item]))
  const present = new Map(existing.map(({ element, item }) => [element, item]))
  // The applied order first; what only others have keeps its own order after it.
  const result = items.map(({ element, item }) =>
    present.has(element) ? mergeApplied(present.get(element), item, known?.items, definitions) : item
  )
  return [...result, ...existing.filter(({ element }) => !wanted.has(element)).map(({ item }) => item)]
}

/** The object without these fields; an object or list that only they filled goes with them. */
function removeFields<T>(value: T, gone: FieldSet): T {
  return (gone.children.size === 0 ? value : without(value, gone)) as T
}

function without(value: unknown, gone: FieldSet): unknown {
  if (isFields(value)) {
    const result: Fields = { ...value }
    for (const [element, below] of gone.children) {
      const key = element.slice(2)
      if (!Object.hasOwn(result, key)) continue
      if (below.member && below.children.size === 0) {
        delete result[key]
        continue
      }
      const rest = without(result[key], below)
      const emptied = (isFields(rest) && Object.keys(rest).length === 0) || (Array.isArray(rest) && rest.length === 0)
      if (emptied && !isEmptyValue(result[key])) delete result[key]
      else result[key] = rest
    }
    return result
  }
  if (!Array.isArray(value)) return value
  let result: unknown[] = [...value]
  for (const [element, below] of gone.children) {
    const wanted: unknown = JSON.parse(element.slice(2))
    const matches = (item: unknown): boolean => (element.startsWith('k:') ? hasKeys(item, wanted) : equal(item, wanted))
    // An item that is nobody's any more goes whole, with what the server added to it.
    result = below.member
      ? result.filter(item => !matches(item))
      : result.map(item => (matches(item) ? without(item, below) : item))
  }
  return result
}

const isEmptyValue = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0
